import type { ChangesetAnswer } from '../changeset-answers.js';
import { secondsOf } from '../duration.js';
import { followRollout, outcomeText } from '../rollout.js';
import type { Session } from '../session.js';

const failureActions = ['pause', 'continue', 'rollback'] as const;

/** The words of SwarmKit's update configuration. What is left out is as the control plane has it. */
export const rolloutOptions = {
  plan: { type: 'string', requiresArg: true, describe: 'Id of a changeset that portolan plan made, instead of a manifest' },
  override: { type: 'string', array: true, requiresArg: true, describe: 'Finding that does not block, CODE:NAME as the plan shows it; it is recorded' },
  parallelism: { type: 'number', requiresArg: true, describe: 'Nodes at a time; 0: all at once' },
  delay: { type: 'string', requiresArg: true, describe: 'Time between two batches, such as 10s' },
  monitor: { type: 'string', requiresArg: true, describe: 'How long an updated node is watched for a failure' },
  'max-failure-ratio': { type: 'number', requiresArg: true, describe: 'Part of the nodes that may fail, 0 to 1' },
  'failure-action': { choices: failureActions, requiresArg: true, describe: 'What happens when more fail' },
  'confirm-within': { type: 'string', requiresArg: true, describe: 'Take it back unless it is confirmed within this time after the last node' },
} as const;

export interface RolloutArguments {
  readonly override: readonly string[] | undefined;
  readonly parallelism: number | undefined;
  readonly delay: string | undefined;
  readonly monitor: string | undefined;
  readonly maxFailureRatio: number | undefined;
  readonly failureAction: (typeof failureActions)[number] | undefined;
  readonly confirmWithin: string | undefined;
}

/** An option that only a plan has, where one is given. */
export function givenRolloutOption(args: RolloutArguments): string | undefined {
  const given = {
    override: args.override,
    parallelism: args.parallelism,
    delay: args.delay,
    monitor: args.monitor,
    'max-failure-ratio': args.maxFailureRatio,
    'failure-action': args.failureAction,
    'confirm-within': args.confirmWithin,
  };
  return Object.entries(given).find(([, value]) => value !== undefined)?.[0];
}

function applyBody(args: RolloutArguments): object {
  const { override, parallelism, delay, monitor, maxFailureRatio, failureAction, confirmWithin } = args;
  const rollout = {
    ...(parallelism === undefined ? {} : { parallelism }),
    ...(delay === undefined ? {} : { delay: secondsOf(delay, 'delay') }),
    ...(monitor === undefined ? {} : { monitor: secondsOf(monitor, 'monitor') }),
    ...(maxFailureRatio === undefined ? {} : { maxFailureRatio }),
    ...(failureAction === undefined ? {} : { failureAction }),
  };
  return {
    ...(override === undefined ? {} : { override }),
    ...(Object.keys(rollout).length === 0 ? {} : { rollout }),
    ...(confirmWithin === undefined ? {} : { confirmWithin: secondsOf(confirmWithin, 'confirm-within') }),
  };
}

export async function applyPlan(session: Session, id: string, args: RolloutArguments & { readonly wait: boolean; readonly timeout: number }): Promise<void> {
  const path = await session.inCluster('changesets', id, 'apply');
  const { body } = await session.client.send<ChangesetAnswer>(path, { method: 'POST', body: applyBody(args) });
  await showRollout(session, body, args);
}

/** How a changeset stands; with `wait` when nothing more happens to it by itself. */
export async function showRollout(
  session: Session,
  changeset: ChangesetAnswer,
  { wait, timeout }: { readonly wait: boolean; readonly timeout: number },
): Promise<void> {
  if (!wait) return session.show(changeset, () => outcomeText(changeset));
  const start = performance.now();
  const end = await followRollout(session, changeset.id, timeout);
  session.show(end, () => outcomeText(end));
  session.note(`waited ${Math.round(performance.now() - start)} ms`);
}
