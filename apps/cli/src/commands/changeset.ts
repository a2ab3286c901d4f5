import type { ChangesetAnswer } from '../changeset-answers.js';
import { renderChangeset, statusStyles } from '../changeset-view.js';
import { outcomeText } from '../rollout.js';
import { type Column, renderTable } from '../table.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { showRollout } from './apply-plan.js';
import { type AddCommand, inSession } from './command.js';

/** What can be done to a changeset, and what for. */
const actions = {
  pause: 'Hold a rollout: nodes that have it keep it, the others wait',
  resume: 'Let a rollout that is paused go on',
  confirm: 'Keep what waits for its confirmation',
  rollback: 'Take a rollout back, on the nodes that have it',
  discard: 'Throw a plan away that was not applied',
} as const;

const columns: readonly Column<ChangesetAnswer>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyles[status] },
  { title: 'BASE', value: ({ baseRevision }) => baseRevision, align: 'right' },
  { title: 'REVISION', value: ({ revision }) => revision ?? undefined, align: 'right' },
  { title: 'MADE', value: ({ createdAt }) => createdAt },
  { title: 'BY', value: ({ actor }) => actor },
  { title: 'NODES', value: ({ plan }) => plan.nodes.length, align: 'right' },
  { title: 'WHAT', value: ({ summary }) => summary },
];

export const addChangeset: AddCommand = (cli, terminal) =>
  cli.command('changeset', 'Changes that were planned, and how far their rollouts are', (command) => {
    const read = command
      .demandCommand(1, `Say what to do: portolan changeset list, or show, ${Object.keys(actions).join(', ')} with an id`)
      .command(
        'list',
        'List changesets, newest first',
        (list) => list.options({ limit: { type: 'number', default: 20, describe: 'Changesets to show at most' } }),
        inSession(terminal, async (session, { limit }) => {
          const changesets = await session.client.list<ChangesetAnswer>(await session.inCluster('changesets'), {}, limit);
          session.show(changesets, () => (changesets.length === 0 ? 'no changesets\n' : renderTable(terminal, columns, changesets)));
        }),
      )
      .command(
        'show <id>',
        'Show one: its plan, object by object, and how far its rollout is on each node',
        (show) => show.positional('id', { type: 'string', demandOption: true }),
        inSession(terminal, async (session, { id }) => {
          const changeset = await session.client.get<ChangesetAnswer>(await session.inCluster('changesets', id));
          session.show(changeset, () => renderChangeset(terminal, changeset));
        }),
      );
    return Object.entries(actions).reduce(
      (tree, [action, about]) =>
        tree.command(
          `${action} <id>`,
          about,
          (one) => one.positional('id', { type: 'string', demandOption: true }).options(waitOptions),
          inSession(terminal, async (session, { id, wait, timeout }) => {
            const { body, revision } = await session.client.send<ChangesetAnswer>(await session.inCluster('changesets', id, action), { method: 'POST' });
            if (action === 'resume') return showRollout(session, body, { wait, timeout });
            if (wait && action === 'rollback') await waitForRevision(session, revision, timeout);
            return session.show(body, () => outcomeText(body));
          }),
        ),
      read,
    );
  });
