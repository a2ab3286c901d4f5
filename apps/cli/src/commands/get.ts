import { stringify } from 'yaml';
import type { Argv } from 'yargs';
import { CommandFailure, usageFailure } from '../failure.js';
import { type Kind, kindColumns, kindNames, kindOf, singular } from '../kinds.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { type Departure, departureOf, departureOptions, sendWaiting, waitForRevision } from '../waiting.js';
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

/** The whole cluster as a file that `apply` takes, as it was at a revision, undefined: as it is. */
export async function showManifest(session: Session, revision?: number): Promise<void> {
  const manifest = await session.client.get<object>(await session.inCluster(MANIFEST), { revision });
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
    'Delete one object; an endpoint that gets requests is drained first',
    (command) =>
      withKind(command)
        .positional('name', { type: 'string', demandOption: true })
        .options({ force: { type: 'boolean', default: false, describe: 'Delete an endpoint at once: its connections break' }, ...departureOptions })
        .example('$0 delete endpoint web.1 --wait', 'return when it is safe to stop the container'),
    inSession(terminal, async (session, { kind, name, force, wait, timeout }) => {
      const known = knownKind(kind);
      if (known === 'endpoints') return deleteEndpoint(session, name, { force, wait: departureOf(wait, 'drained'), timeout });
      if (force || wait === 'drained') throw usageFailure('only endpoints are drained', `Leave out --force and --wait drained to delete a ${singular(known)}.`);
      return deleteObject(session, known, name, departureOf(wait, 'applied') === undefined ? undefined : timeout);
    }),
  );

export async function deleteEndpoint(
  session: Session,
  name: string,
  { force, wait, timeout }: { readonly force: boolean; readonly wait: Departure | undefined; readonly timeout: number },
): Promise<void> {
  const path = await pathOf(session, 'endpoints', name);
  const request = { method: 'DELETE', query: { force: force || undefined } } as const;
  const answer = wait === undefined ? await session.client.send(path, request) : await sendWaiting(session, path, request, wait, timeout);
  const gone = wait === 'drained' || (await isGone(session, path));
  const revision = answer?.revision;
  const shown = revision === undefined ? '' : `, revision ${revision}`;
  session.show({ deleted: { kind: 'endpoint', name }, revision, gone }, () =>
    gone ? `deleted endpoint ${name}${shown}\n` : `draining endpoint ${name}, which is deleted when it is drained${shown}\n`,
  );
}

async function isGone(session: Session, path: string): Promise<boolean> {
  try {
    await session.client.get<object>(path);
    return false;
  } catch (error) {
    if (error instanceof CommandFailure && error.problems.some(({ code }) => code === 'not-found')) return true;
    throw error;
  }
}

export async function deleteObject(session: Session, kind: Exclude<Kind, 'endpoints'>, name: string, waitSeconds: number | undefined): Promise<void> {
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
