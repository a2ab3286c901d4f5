import { changed, countsOf, renderChanges } from '../changes-view.js';
import type { RollbackAnswer } from '../changeset-answers.js';
import { styled, type Terminal } from '../terminal.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';
import { describePlan, plannedChangeset, refuseBlocked } from './plan.js';

export const addRollback: AddCommand = (cli, terminal) =>
  cli.command(
    'rollback',
    'Go back to what was wanted at a revision, on all nodes at once; what was observed since stays',
    (command) =>
      command
        .options({
          to: { type: 'number', requiresArg: true, describe: 'Revision; the one before the newest that somebody made unless given' },
          'dry-run': {
            type: 'boolean',
            default: false,
            describe: 'Show what would change on which node, and keep it for apply --plan, which goes node by node',
          },
          force: { type: 'boolean', default: false, describe: 'Delete endpoints at once instead of draining them: their connections break' },
          ...waitOptions,
        })
        .example('$0 history', 'see which revisions there are')
        .example('$0 rollback --to 41 --wait', 'go back, and return when every node has'),
    inSession(terminal, async (session, { to, dryRun, force, wait, timeout }) => {
      const wish = to === undefined ? {} : { to };
      const forced = force ? { force } : {};
      if (dryRun) {
        const changeset = await plannedChangeset(session, { rollback: wish, ...forced });
        session.show(changeset, () => describePlan(terminal, changeset));
        return refuseBlocked(changeset);
      }
      const path = await session.inCluster('rollback');
      const { body } = await session.client.send<RollbackAnswer>(path, { method: 'POST', body: { ...wish, ...forced } });
      session.show(body, () => describeRollback(terminal, body));
      if (!wait) return;
      const start = performance.now();
      await waitForRevision(session, body.revision, timeout);
      session.note(`revision ${body.revision} is applied on every node (waited ${Math.round(performance.now() - start)} ms)`);
    }),
  );

function describeRollback(terminal: Terminal, answer: RollbackAnswer): string {
  const { to, revision, changes } = answer;
  if (!answer.changed) return `nothing to change: the cluster is as it was wanted at revision ${to}\n`;
  const outcome = `back to revision ${to}, as revision ${revision}: ${countsOf(changes, changed)}`;
  return `${renderChanges(terminal, changes, changed)}${styled(terminal, 'bold', outcome)}\n`;
}
