import type { ChangesetAnswer } from '../changeset-answers.js';
import { secondsOf } from '../duration.js';
import { followRollout, outcomeText } from '../rollout.js';
import type { Session } from '../session.js';

const failureActions = ['pause', 'continue', 'rollback'] as const;

/** The words of SwarmKit's update configuration. What is left out is as the control plane has it. */
export const updateOptions = {
  parallelism: { type: 'number', requiresArg: true, describe: 'Nodes at a time; 0: all at once' },
  delay: { type: 'string', requiresArg: true, describe: 'Time between two batches, such as 10s' },
  monitor: { type: 'string', requiresArg: true, describe: 'How long an updated node is watched for a failure' },
  'max-failure-ratio': { type: 'number', requiresArg: true, describe: 'Part of the nodes that may fail, 0 to 1' },
  'failure-action': { choices: failureActions, requiresArg: true, describe: 'What happens when more fail' },
} as const;

/** Of what was planned. */
export const planOptions = {
  plan: { type: 'string', requiresArg: true, describe: 'Id of a changeset that portolan plan made, instead of a manifest' },
  override: { type: 'string', array: true, requiresArg: true, describe: 'Finding that does not block, CODE:NAME as the plan shows it; it is recorded' },
  ...updateOptions,
  'confirm-within': { type: 'string', requiresArg: true, describe: 'Take it back unless it is confirmed within this time after the last node' },
} as const;

interface UpdateArguments {
  readonly parallelism: number | undefined;
  readonly delay: string | undefined;
  readonly monitor: string | undefined;
  readonly maxFailureRatio: number | undefined;
  readonly failureAction: (typeof failureActions)[number] | undefined;
}

interface PlanArguments extends UpdateArguments {
  readonly override: readonly string[] | undefined;
  readonly confirmWithin: string | undefined;
}

/** An option that only a plan has, where one is given. */
export function givenPlanOption(args: PlanArguments): string | undefined {
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

/** `{rollout}` with what is given; nothing where nothing is. */
export function rolloutOf({ parallelism, delay, monitor, maxFailureRatio, failureAction }: UpdateArguments): { readonly rollout?: object } {
  const rollout = {
    ...(parallelism === undefined ? {} : { parallelism }),
    ...(delay === undefined ? {} : { delay: secondsOf(delay, 'delay') }),
    ...(monitor === undefined ? {} : { monitor: secondsOf(monitor, 'monitor') }),
    ...(maxFailureRatio === undefined ? {} : { maxFailureRatio }),
    ...(failureAction === undefined ? {} : { failureAction }),
  };
  return Object.keys(rollout).length === 0 ? {} : { rollout };
}

export async function applyPlan(session: Session, id: string, args: PlanArguments & { readonly wait: boolean; readonly timeout: number }): Promise<void> {
  const path = await session.inCluster('changesets', id, 'apply');
  const { override, confirmWithin } = args;
  const body = {
    ...(override === undefined ? {} : { override }),
    ...rolloutOf(args),
    ...(confirmWithin === undefined ? {} : { confirmWithin: secondsOf(confirmWithin, 'confirm-within') }),
  };
  const answer = await session.client.send<ChangesetAnswer>(path, { method: 'POST', body });
  await showRollout(session, answer.body, args);
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
