import type { RevisionAnswer } from '../answers.js';
import type { ChangesetAnswer } from '../changeset-answers.js';
import { CommandFailure, exitCodes } from '../failure.js';
import type { Session } from '../session.js';
import { waitOptions } from '../waiting.js';
import { showRollout } from './apply-plan.js';
import { type AddCommand, inSession } from './command.js';
import { describePlan, plannedChangeset, refuseBlocked } from './plan.js';

export const addRollback: AddCommand = (cli, terminal) =>
  cli.command(
    'rollback',
    'Go back to what was wanted at a revision, on every node; what was observed since stays',
    (command) =>
      command
        .options({
          to: { type: 'number', requiresArg: true, describe: 'Revision; the one before the newest unless given' },
          'dry-run': { type: 'boolean', default: false, describe: 'Show what would change on which node, and keep it for apply --plan' },
          ...waitOptions,
        })
        .example('$0 history', 'see which revisions there are')
        .example('$0 rollback --to 41 --wait', 'go back, and return when every node has'),
    inSession(terminal, async (session, { to, dryRun, wait, timeout }) => {
      if (dryRun) {
        const changeset = await plannedChangeset(session, { rollback: { to: to ?? (await revisionBefore(session)) } });
        session.show(changeset, () => describePlan(terminal, changeset));
        return refuseBlocked(changeset);
      }
      const path = await session.inCluster('rollback');
      const { body } = await session.client.send<ChangesetAnswer>(path, { method: 'POST', body: to === undefined ? {} : { to } });
      return showRollout(session, body, { wait, timeout });
    }),
  );

async function revisionBefore(session: Session): Promise<number> {
  const [newest] = await session.client.list<RevisionAnswer>(await session.inCluster('revisions'), {}, 1);
  if (newest === undefined) throw new CommandFailure(exitCodes.refused, 'nothing was changed yet', 'There is nothing to go back to.');
  return newest.revision - 1;
}
