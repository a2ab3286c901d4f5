import type { Argv } from 'yargs';
import { usageFailure } from '../failure.js';
import { type Kind, kindColumns, kindNames, kindOf, singular } from '../kinds.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';
import { renderDescription } from './description.js';

const withKind = <A>(command: Argv<A>) =>
  command.positional('kind', { type: 'string', demandOption: true, choices: [...kindNames], describe: 'Kind of object' });

export const addGet: AddCommand = (cli, terminal) =>
  cli.command(
    'get <kind> [name]',
    'List objects, or show one in the list',
    (command) =>
      withKind(command)
        .positional('name', { type: 'string', describe: 'Only this one' })
        .example('$0 get services', 'all services with their VIPs and published ports')
        .example('$0 get endpoints --json', 'the same for a program')
        .example('$0 get manifest > cluster.yaml', 'the whole cluster as a file that apply takes'),
    inSession(terminal, async (session, args) => {
      const kind = knownKind(args.kind);
      const rows = args.name === undefined ? await session.client.list<object>(await pathOf(session, kind)) : [await read(session, kind, args.name)];
      session.show(args.name === undefined ? rows : rows[0], () =>
        rows.length === 0 ? `no ${kind}\n` : renderTable(terminal, kindColumns[kind] as readonly Column<object>[], rows),
      );
    }),
  );

export const addDescribe: AddCommand = (cli, terminal) =>
  cli.command(
    'describe <kind> <name>',
    'Show everything about one object',
    (command) => withKind(command).positional('name', { type: 'string', demandOption: true }),
    inSession(terminal, async (session, args) => {
      const answer = await read(session, knownKind(args.kind), args.name);
      session.show(answer, () => renderDescription(terminal, answer));
    }),
  );

export const addDelete: AddCommand = (cli, terminal) =>
  cli.command(
    'delete <kind> <name>',
    'Delete one object',
    (command) => withKind(command).positional('name', { type: 'string', demandOption: true }).options(waitOptions),
    inSession(terminal, async (session, { kind, name, wait, timeout }) => deleteObject(session, knownKind(kind), name, wait ? timeout : undefined)),
  );

export async function deleteObject(session: Session, kind: Kind, name: string, waitSeconds: number | undefined): Promise<void> {
  const { revision } = await session.client.send(await pathOf(session, kind, name), { method: 'DELETE' });
  if (kind !== 'clusters' && revision !== undefined && waitSeconds !== undefined) await waitForRevision(session, revision, waitSeconds);
  session.show(
    { deleted: { kind: singular(kind), name }, revision },
    () => `deleted ${singular(kind)} ${name}${revision === undefined ? '' : `, revision ${revision}`}\n`,
  );
}

export async function pathOf(session: Session, kind: Kind, ...name: readonly string[]): Promise<string> {
  return kind === 'clusters' ? ['/v1/clusters', ...name.map(encodeURIComponent)].join('/') : session.inCluster(kind, ...name);
}

async function read(session: Session, kind: Kind, name: string): Promise<object> {
  return session.client.get<object>(await pathOf(session, kind, name));
}

function knownKind(spelling: string): Kind {
  const kind = kindOf(spelling);
  if (kind === undefined) throw usageFailure(`there is no kind "${spelling}"`, `Use one of ${kindNames.join(', ')}.`);
  return kind;
}
