import type { ApiTokenAnswer, JoinTokenAnswer, NewJoinTokenAnswer, NewTokenAnswer } from '../access-answers.js';
import { secondsOf } from '../duration.js';
import { usageFailure } from '../failure.js';
import { type GlobalArguments, Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import type { Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';

const personRoles = ['viewer', 'operator', 'admin'] as const;
const hostRoles = ['worker', 'manager'] as const;
type HostRole = (typeof hostRoles)[number];

const HOUR_S = 3600;

export const addToken: AddCommand = (cli, terminal) =>
  cli.command('token', 'Tokens: of people and programs for the API, of hosts to join a cluster', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan token create --role ROLE, list or revoke ID')
      .command(
        'create',
        'Make a token; it is printed this once',
        (create) =>
          create
            .options({
              role: {
                choices: [...personRoles, ...hostRoles],
                demandOption: true,
                requiresArg: true,
                describe: 'viewer reads, operator changes clusters, admin also gives access; worker and manager: of a host that joins',
              },
              name: { type: 'string', requiresArg: true, describe: 'Whose it is' },
              cluster: {
                type: 'string',
                array: true,
                requiresArg: true,
                describe: 'Only for these clusters; of a host: the one that it joins [PORTOLAN_CLUSTER, the lab’s, the only one]',
              },
              ttl: { type: 'string', requiresArg: true, describe: 'How long it is good, such as 30d; for ever unless given, of a host 1h' },
              uses: { type: 'number', requiresArg: true, describe: 'How many hosts may join with it; 1 unless given' },
              server: {
                type: 'string',
                requiresArg: true,
                describe: 'URL by which the host reaches the control plane; its own (PORTOLAN_PUBLIC_URL), else --url',
              },
            })
            .example('$0 token create --role viewer --name grafana --cluster prod --ttl 30d', 'for a program that reads one cluster')
            .example('$0 token create --role worker --ttl 1h', 'prints what to run on the host'),
        (args) => createToken(terminal, args),
      )
      .command(
        'list',
        'List the tokens of people and programs, or those that hosts join with',
        (list) => list.options({ join: { type: 'boolean', default: false, describe: 'Those that hosts join the cluster with' } }),
        inSession(terminal, async (session, { join }) => {
          if (join) await listTokens<JoinTokenAnswer>(session, await session.inCluster('join-tokens'), joinColumns);
          else await listTokens<ApiTokenAnswer>(session, '/v1/tokens', apiColumns);
        }),
      )
      .command(
        'revoke <id>',
        'Make a token worthless',
        (revoke) =>
          revoke
            .positional('id', { type: 'string', demandOption: true })
            .options({ join: { type: 'boolean', default: false, describe: 'It is one that hosts join the cluster with' } }),
        inSession(terminal, async (session, { id, join }) => {
          const path = join ? await session.inCluster('join-tokens', id) : `/v1/tokens/${encodeURIComponent(id)}`;
          await session.client.send(path, { method: 'DELETE' });
          session.show({ revoked: id }, () => `revoked token ${id}\n`);
        }),
      ),
  );

interface CreateArguments extends Omit<GlobalArguments, 'cluster'> {
  readonly role: (typeof personRoles)[number] | HostRole;
  readonly cluster: readonly string[] | undefined;
  readonly name: string | undefined;
  readonly ttl: string | undefined;
  readonly uses: number | undefined;
  readonly server: string | undefined;
}

async function createToken(terminal: Terminal, args: CreateArguments): Promise<void> {
  const { role, cluster: clusters } = args;
  const session = new Session(terminal, { ...args, cluster: clusters?.[0] });
  const hostRole = hostRoles.find((word) => word === role);
  if (hostRole === undefined) return createApiToken(session, args);
  if (args.name !== undefined)
    throw usageFailure('--name belongs to a token of a person or a program', 'Leave it out: a host says its name when it joins (portolan agent --name).');
  if (clusters !== undefined && clusters.length > 1) throw usageFailure('a host joins one cluster', 'Name one with --cluster.');
  return createJoinToken(session, hostRole, args);
}

async function createApiToken(session: Session, { role, name, cluster: clusters, ttl, uses, server }: CreateArguments): Promise<void> {
  if (uses !== undefined || server !== undefined)
    throw usageFailure('--uses and --server belong to a token of a host', 'Leave them out, or use --role worker.');
  const body = {
    // Without what a name may not hold.
    name: name ?? `${role}-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`,
    role,
    ...(clusters === undefined ? {} : { clusters }),
    ...(ttl === undefined ? {} : { ttl: secondsOf(ttl, 'ttl') }),
  };
  const answer = (await session.client.send<NewTokenAnswer>('/v1/tokens', { method: 'POST', body })).body;
  session.note(`${role} of ${clusters === undefined ? 'all clusters' : clusters.join(', ')}, good ${ttl === undefined ? 'until it is revoked' : `for ${ttl}`}`);
  session.note(`keep it: it is shown this once; portolan token revoke ${answer.id} ends it`);
  session.show(answer, () => `${answer.token}\n`);
}

async function createJoinToken(session: Session, role: HostRole, { ttl, uses = 1, server }: CreateArguments): Promise<void> {
  const body = { role, ttl: ttl === undefined ? HOUR_S : secondsOf(ttl, 'ttl'), uses };
  const answer = (await session.client.send<NewJoinTokenAnswer>(await session.inCluster('join-tokens'), { method: 'POST', body })).body;
  const url = server ?? answer.server ?? session.url;
  const run = `portolan agent --join ${answer.token} --server ${url}`;
  session.note(`run this as root on ${uses === 1 ? 'the host' : `each of ${uses} hosts at most`}, before ${answer.expiresAt}:`);
  session.show({ ...answer, command: run }, () => `${run}\n`);
  const lacks = unfitFor(url);
  if (lacks !== undefined) session.note(`${url} ${lacks}: put a URL there by which the host reaches the control plane over HTTPS (--server)`);
}

/** Why a host cannot join at this URL; undefined where it can. */
function unfitFor(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return 'is not a URL';
  if (url.protocol !== 'https:') return 'is not HTTPS, and a host joins over HTTPS only';
  return /^(localhost|127\.|\[::1\])/.test(url.hostname) ? 'is this machine only' : undefined;
}

async function listTokens<T>(session: Session, path: string, columns: readonly Column<T>[]): Promise<void> {
  const { items } = await session.client.get<{ items: readonly T[] }>(path);
  session.show(items, () => (items.length === 0 ? 'no tokens\n' : renderTable(session.terminal, columns, items)));
}

interface Ending {
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export function standing({ expiresAt, revokedAt }: Ending): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 'over' : 'good';
}

export function standingStyle(one: Ending): 'green' | 'dim' {
  return standing(one) === 'good' ? 'green' : 'dim';
}

const apiColumns: readonly Column<ApiTokenAnswer>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'CLUSTERS', value: ({ clusters }) => clusters?.join(', ') ?? 'all' },
  { title: 'IS', value: standing, style: standingStyle },
  { title: 'MADE', value: ({ createdAt }) => createdAt },
  { title: 'BY', value: ({ createdBy }) => createdBy },
  { title: 'UNTIL', value: ({ expiresAt }) => expiresAt ?? undefined },
];

const joinColumns: readonly Column<JoinTokenAnswer>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'IS', value: standing, style: standingStyle },
  { title: 'USES LEFT', value: ({ usesLeft }) => usesLeft, align: 'right' },
  { title: 'MADE', value: ({ createdAt }) => createdAt },
  { title: 'BY', value: ({ createdBy }) => createdBy },
  { title: 'UNTIL', value: ({ expiresAt }) => expiresAt },
];
