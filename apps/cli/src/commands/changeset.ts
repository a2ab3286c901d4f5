import type { Argv } from 'yargs';
import type { ChangesetAnswer, ChangesetLineAnswer } from '../changeset-answers.js';
import { renderChangeset, statusStyles } from '../changeset-view.js';
import { outcomeText } from '../rollout.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { rolloutOf, showRollout, updateOptions } from './apply-plan.js';
import { type AddCommand, inSession } from './command.js';

const columns: readonly Column<ChangesetLineAnswer>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyles[status] },
  { title: 'BASE', value: ({ baseRevision }) => baseRevision, align: 'right' },
  { title: 'REVISION', value: ({ revision }) => revision ?? undefined, align: 'right' },
  { title: 'MADE', value: ({ createdAt }) => createdAt },
  { title: 'BY', value: ({ actor }) => actor },
  { title: 'WHAT', value: ({ summary }) => summary },
  { title: 'REASON', value: ({ reason }) => reason ?? undefined },
];

const withId = <A>(command: Argv<A>) => command.positional('id', { type: 'string', demandOption: true, describe: 'Id of the changeset' });

export const addChangeset: AddCommand = (cli, terminal) =>
  cli.command('changeset', 'Changes that were planned, and how far their rollouts are', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan changeset list, or show, pause, resume, confirm, rollback, discard with an id')
      .command(
        'list',
        'List changesets, newest first',
        (list) => list.options({ limit: { type: 'number', default: 20, describe: 'Changesets to show at most' } }),
        inSession(terminal, async (session, { limit }) => {
          const changesets = await session.client.list<ChangesetLineAnswer>(await session.inCluster('changesets'), {}, limit);
          session.show(changesets, () => (changesets.length === 0 ? 'no changesets\n' : renderTable(terminal, columns, changesets)));
        }),
      )
      .command(
        'show <id>',
        'Show one: its plan, object by object, and how far its rollout is on each node',
        (show) => withId(show),
        inSession(terminal, async (session, { id }) => {
          const changeset = await session.client.get<ChangesetAnswer>(await session.inCluster('changesets', id));
          session.show(changeset, () => renderChangeset(terminal, changeset));
        }),
      )
      .command(
        'pause <id>',
        'Hold a rollout: nodes that have it keep it, the others wait',
        (pause) => withId(pause),
        inSession(terminal, async (session, { id }) => showMoved(session, await moved(session, id, 'pause'))),
      )
      .command(
        'resume <id>',
        'Let a rollout that is paused go on; nodes that failed are watched anew',
        (resume) => withId(resume).options({ ...updateOptions, ...waitOptions }),
        inSession(terminal, async (session, { id, ...args }) => showRollout(session, (await moved(session, id, 'resume', rolloutOf(args))).body, args)),
      )
      .command(
        'confirm <id>',
        'Keep what waits for its confirmation',
        (confirm) => withId(confirm),
        inSession(terminal, async (session, { id }) => showMoved(session, await moved(session, id, 'confirm'))),
      )
      .command(
        'rollback <id>',
        'Take a rollout back, on all nodes that have it',
        (rollback) =>
          withId(rollback).options({
            force: { type: 'boolean', default: false, describe: 'Delete endpoints at once instead of draining them: their connections break' },
            ...waitOptions,
          }),
        inSession(terminal, async (session, { id, force, wait, timeout }) => {
          const answer = await moved(session, id, 'rollback', force ? { force } : {});
          if (wait) await waitForRevision(session, answer.revision, timeout);
          showMoved(session, answer);
        }),
      )
      .command(
        'discard <id>',
        'Throw a plan away that was not applied',
        (discard) => withId(discard),
        inSession(terminal, async (session, { id }) => {
          await session.client.send(await session.inCluster('changesets', id), { method: 'DELETE' });
          session.show({ discarded: id }, () => `discarded changeset ${id}\n`);
        }),
      ),
  );

async function moved(session: Session, id: string, action: 'pause' | 'resume' | 'confirm' | 'rollback', body: object = {}) {
  return session.client.send<ChangesetAnswer>(await session.inCluster('changesets', id, action), { method: 'POST', body });
}

function showMoved(session: Session, { body }: { readonly body: ChangesetAnswer }): void {
  session.show(body, () => outcomeText(body));
}
