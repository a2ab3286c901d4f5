import { setTimeout } from 'node:timers/promises';
import type { ChangesetAnswer, NodeRolloutAnswer } from './changeset-answers.js';
import { CommandFailure, exitCodes } from './failure.js';
import type { Session } from './session.js';

const POLL_MS = 250;
/** A rollout outlives a restart of the control plane; whoever watches it does so for this long. */
const UNREACHABLE_MS = 30_000;

/**
 * Follows a rollout until nothing more happens by itself, with a line for each node that gets further. Returns the changeset when it is
 * applied, or waits for its confirmation. Fails where it is paused or was rolled back, and with exit code 4 when the time is over.
 */
export async function followRollout(session: Session, id: string, timeoutSeconds: number): Promise<ChangesetAnswer> {
  const path = await session.inCluster('changesets', id);
  const end = performance.now() + timeoutSeconds * 1000;
  const shown = new Map<string, string>();
  let unreachableSince: number | undefined;
  for (;;) {
    try {
      const changeset = await session.client.get<ChangesetAnswer>(path);
      unreachableSince = undefined;
      for (const line of progressLines(changeset, shown)) session.note(line);
      if (changeset.status !== 'rolling') return ended(changeset);
      if (performance.now() >= end) throw late(changeset, timeoutSeconds);
    } catch (error) {
      if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.unreachable) throw error;
      if (unreachableSince === undefined) session.note(`${error.message}; trying again`);
      unreachableSince ??= performance.now();
      if (performance.now() - unreachableSince > UNREACHABLE_MS || performance.now() >= end) throw error;
    }
    await setTimeout(POLL_MS);
  }
}

/** What is new since the lines before; `shown` holds what was said of each node. */
function progressLines({ rollout }: ChangesetAnswer, shown: Map<string, string>): readonly string[] {
  const nodes = rollout?.nodes ?? [];
  const done = nodes.filter(({ state }) => state === 'updated').length;
  return nodes.flatMap((row) => {
    const { node } = row;
    const words = nodeText(row);
    if (shown.get(node) === words || (row.state === 'waiting' && !shown.has(node))) return [];
    shown.set(node, words);
    return [`${node}: ${words} (${done} of ${nodes.length} updated)`];
  });
}

function nodeText({ state, reason }: NodeRolloutAnswer): string {
  return reason === null ? state : `${state}: ${reason}`;
}

function ended(changeset: ChangesetAnswer): ChangesetAnswer {
  const { id, status, rollout } = changeset;
  if (status === 'applied' || status === 'confirming') return changeset;
  const why = rollout?.reason === null || rollout?.reason === undefined ? '' : `: ${rollout.reason}`;
  const fix =
    status === 'paused'
      ? `Go on with "portolan changeset resume ${id}", or back with "portolan changeset rollback ${id}".`
      : `See it with "portolan changeset show ${id}".`;
  throw new CommandFailure(exitCodes.refused, `changeset ${id} is ${status}${why}`, fix);
}

function late({ id, rollout }: ChangesetAnswer, seconds: number): CommandFailure {
  const behind = (rollout?.nodes ?? []).filter(({ state }) => state !== 'updated' && state !== 'skipped');
  const named = behind.map((row) => `${row.node} ${nodeText(row)}`).join('; ');
  return new CommandFailure(
    exitCodes.waitTimeout,
    `changeset ${id} still rolls out after ${seconds} s: ${named}`,
    `It goes on. See it with: portolan changeset show ${id}`,
  );
}

/** How a changeset stands, in one line. */
export function outcomeText({ id, status, revision, rollout }: ChangesetAnswer): string {
  const skipped = (rollout?.nodes ?? []).filter(({ state }) => state === 'skipped').map(({ node }) => node);
  const left = skipped.length === 0 ? '' : `; not yet on ${skipped.join(', ')}, whose agents are away`;
  if (status === 'confirming') {
    return `changeset ${id} is on every node as revision ${revision}, and is taken back at ${rollout?.confirmBy ?? '-'} unless you run: portolan changeset confirm ${id}${left}\n`;
  }
  const as = revision === null ? '' : ` as revision ${revision}`;
  return `changeset ${id} ${status === 'rolling' ? 'rolls out' : `is ${status}`}${as}${left}\n`;
}
