import { portolanError } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import {
  ROUTE_PROTOCOL,
  type Scan,
  scanFdb,
  scanIptablesSave,
  scanIpvsadm,
  scanIpvsTimeouts,
  scanLinks,
  scanNeighbours,
  scanRouteRules,
  scanRoutes,
  scanSysctls,
  type VethHalf,
} from '@portolan/render';
import { ipvsTable } from './ipvs-read.js';
import type { Exec } from './ports.js';
import { inSpace } from './spaces.js';
import { readSysctls } from './sysctls.js';
import type { Iptables } from './tools.js';
import type { KernelTable } from './written.js';

const overlay = /^own:\d+-/;
const loadBalancer = /^own:(lb_|ingress_sbox$)/;

/**
 * The tables that can hold something of ours: an overlay's namespace has no rules and no IPVS, the host and endpoints
 * have no peers. An own namespace of an unknown name is a leftover, and everything in it is read.
 */
export function hasTable(space: Space, table: KernelTable, hasIpvs: boolean): boolean {
  const own = space.startsWith('own:');
  switch (table) {
    case 'links':
    case 'sysctls':
      return true;
    case 'peers':
      return own && !loadBalancer.test(space);
    case 'rules':
      return !overlay.test(space);
    case 'servers':
      return hasIpvs && own && !overlay.test(space);
  }
}

export interface Reading {
  readonly scans: readonly Scan[];
  readonly halves?: readonly VethHalf[];
}

export interface ReadRequest {
  readonly space: Space;
  /** Path of its namespace; undefined for that of this process. */
  readonly path: string | undefined;
  readonly exec: Exec;
  readonly iptables: Iptables;
  /** Names of the sysctls to read. */
  readonly sysctls: readonly string[];
}

async function output({ space, path, exec }: ReadRequest, argv: readonly [string, ...string[]], input?: string): Promise<string> {
  const ran = await exec.run(argv, { namespace: path, ...(input === undefined ? {} : { input }) });
  if (ran.exitCode !== 0) throw portolanError('apply-failed', '', `${space}: ${ran.command}: ${ran.stderr.trim() || `exit code ${ran.exitCode}`}`);
  return ran.stdout;
}

/** `ip -batch` answers with one JSON array a line for each command. */
function answersOf(stdout: string, count: number): readonly string[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== count) throw portolanError('apply-failed', '', `ip gave ${lines.length} answers to ${count} commands`);
  return lines;
}

/** One process each at most. */
const readers: Readonly<Record<KernelTable, (request: ReadRequest) => Promise<Reading>>> = {
  links: async (request) => {
    const { space } = request;
    // Where all routes are somebody's there may be hundreds of thousands; in a namespace of our own the foreign ones are told.
    const own = space.startsWith('own:');
    const shows = [
      'addr show',
      own ? 'route show table all' : `route show table all proto ${ROUTE_PROTOCOL}`,
      'rule show',
      ...(own ? ['neigh show nud permanent'] : []),
    ];
    const answers = answersOf(await output(request, ['ip', '-j', '-d', '-batch', '-'], `${shows.join('\n')}\n`), shows.length);
    const [links = '[]', routes = '[]', rules = '[]', neighbours] = answers;
    const scan = scanLinks(space, links);
    return {
      scans: [scan, scanRoutes(space, routes), scanRouteRules(space, rules), ...(neighbours === undefined ? [] : [scanNeighbours(space, neighbours)])],
      halves: scan.halves,
    };
  },
  peers: async (request) => ({ scans: [scanFdb(request.space, await output(request, ['bridge', '-j', 'fdb', 'show']))] }),
  sysctls: async ({ space, path, sysctls }) => ({
    scans:
      sysctls.length === 0
        ? []
        : [
            scanSysctls(
              space,
              inSpace(path, () => readSysctls(sysctls)),
            ),
          ],
  }),
  servers: async ({ space, path }) => {
    const { text, timeouts } = inSpace(path, ipvsTable);
    return { scans: [scanIpvsadm(space, text), scanIpvsTimeouts(space, timeouts)] };
  },
  rules: async (request) => ({ scans: [scanIptablesSave(request.space, await output(request, request.iptables.save))] }),
};

/** What one table holds that is recognisably ours, and what in a namespace of our own is not. Fails with `apply-failed`. */
export function readTable(table: KernelTable, request: ReadRequest): Promise<Reading> {
  return readers[table](request);
}
