import { stringify } from 'yaml';
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

/** What `get` shows beside the kinds: the whole cluster as a file that `apply` takes. */
const MANIFEST = 'manifest';

export const addGet: AddCommand = (cli, terminal) =>
  cli.command(
    'get <kind> [name]',
    'List objects, show one, or print the whole cluster as a manifest',
    (command) =>
      command
        .positional('kind', { type: 'string', demandOption: true, choices: [...kindNames, MANIFEST], describe: 'Kind of object' })
        .positional('name', { type: 'string', describe: 'Only this one' })
        .options({
          node: { type: 'string', requiresArg: true, describe: 'Only what has to do with this node' },
          network: { type: 'string', requiresArg: true, describe: 'Only what has to do with this network' },
          service: { type: 'string', requiresArg: true, describe: 'Only what has to do with this service' },
        })
        .example('$0 get services', 'all services with their VIPs and published ports')
        .example('$0 get endpoints --service web --json', 'the endpoints of one service, for a program')
        .example('$0 get manifest > cluster.yaml', 'the whole cluster as a file that apply takes'),
    inSession(terminal, async (session, { kind, name, node, network, service }) => {
      if (kind === MANIFEST) return showManifest(session);
      const known = knownKind(kind);
      if (name !== undefined) return showRows(session, known, [await read(session, known, name)], true);
      const rows = await session.client.list<object>(await pathOf(session, known), { node, network, service });
      return showRows(session, known, rows, false);
    }),
  );

async function showManifest(session: Session): Promise<void> {
  const manifest = await session.client.get<object>(await session.inCluster(MANIFEST));
  session.show(manifest, () => stringify(manifest, { lineWidth: 0 }));
}

function showRows(session: Session, kind: Kind, rows: readonly object[], single: boolean): void {
  session.show(single ? rows[0] : rows, () =>
    rows.length === 0 ? `no ${kind}\n` : renderTable(session.terminal, kindColumns[kind] as readonly Column<object>[], rows),
  );
}

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

async function pathOf(session: Session, kind: Kind, ...name: readonly string[]): Promise<string> {
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
