import { type Cidr, formatIpv4, parseIpv4, portolanError } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import {
  type LinkScan,
  ROUTE_PROTOCOL,
  type Scan,
  scanFdb,
  scanIptablesSave,
  scanIpvsadm,
  scanIpvsTimeouts,
  scanLinks,
  scanNeighbours,
  scanRivals,
  scanRouteRules,
  scanRoutes,
  scanSysctls,
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
 * The tables that can hold something of ours: an overlay's namespace has no rules and no IPVS, endpoints have no peers, and the host
 * only where it has a VTEP of flannel. An own namespace of an unknown name is a leftover, and everything in it is read.
 */
export function hasTable(space: Space, table: KernelTable, hasIpvs: boolean): boolean {
  const own = space.startsWith('own:');
  switch (table) {
    case 'links':
    case 'sysctls':
      return true;
    case 'peers':
      return space === 'host' || (own && !loadBalancer.test(space));
    case 'rules':
      return !overlay.test(space);
    case 'servers':
      return hasIpvs && own && !overlay.test(space);
  }
}

export interface Reading {
  readonly scans: readonly Scan[];
  readonly links?: Pick<LinkScan, 'halves' | 'vteps' | 'tuns'>;
  /** Output of iptables-save. */
  readonly rules?: string;
}

export interface ReadRequest {
  readonly space: Space;
  /** Path of its namespace; undefined for that of this process. */
  readonly path: string | undefined;
  readonly exec: Exec;
  readonly iptables: Iptables;
  /** Names of the sysctls to read. */
  readonly sysctls: readonly string[];
  /** Keys of the links, and destinations of the routes in the main table, that are wanted here. */
  readonly wanted: ReadonlySet<string>;
  readonly destinations: ReadonlySet<Cidr>;
  /** VTEPs of flannel that were found here. */
  readonly vteps: readonly string[];
}

async function output({ space, path, exec }: ReadRequest, argv: readonly [string, ...string[]], input?: string): Promise<string> {
  const ran = await exec.run(argv, { namespace: path, ...(input === undefined ? {} : { input }) });
  if (ran.exitCode !== 0) throw portolanError('apply-failed', '', `${space}: ${ran.command}: ${ran.stderr.trim() || `exit code ${ran.exitCode}`}`);
  return ran.stdout;
}

/** `ip -batch` and `bridge -batch` answer with one JSON array a line for each command. */
function answersOf(stdout: string, count: number): readonly string[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== count) throw portolanError('apply-failed', '', `there are ${lines.length} answers to ${count} commands`);
  return lines;
}

/** The smallest prefix that holds them all. */
function commonPrefix(destinations: ReadonlySet<Cidr>): Cidr {
  let common: { readonly first: number; readonly length: number } | undefined;
  for (const destination of destinations) {
    const [address = '', length = '32'] = destination.split('/');
    const here = { first: parseIpv4(address), length: Number(length) };
    common = common === undefined ? here : { first: common.first, length: Math.min(common.length, here.length, Math.clz32(common.first ^ here.first)) };
  }
  const { first, length } = common ?? { first: 0, length: 0 };
  const size = 2 ** (32 - length);
  return `${formatIpv4(first - (first % size))}/${length}`;
}

/** One process each at most. */
const readers: Readonly<Record<KernelTable, (request: ReadRequest) => Promise<Reading>>> = {
  links: async (request) => {
    const { space, wanted, destinations } = request;
    // Where all routes are somebody's there may be hundreds of thousands; in a namespace of our own the foreign ones are told.
    const own = space.startsWith('own:');
    const shows = [
      'addr show',
      own ? 'route show table all' : `route show table all proto ${ROUTE_PROTOCOL}`,
      'rule show',
      ...(own || space === 'host' ? ['neigh show nud permanent'] : []),
      // Foreign ones only as far as they may be in the way.
      ...(destinations.size === 0 ? [] : [`route show table main root ${commonPrefix(destinations)}`]),
    ];
    const answers = answersOf(await output(request, ['ip', '-j', '-d', '-batch', '-'], `${shows.join('\n')}\n`), shows.length);
    const [links = '[]', routes = '[]', rules = '[]', neighbours = '[]', rivals] = answers;
    const scan = scanLinks(space, links, wanted);
    const ours = scanRoutes(space, routes);
    return {
      scans: [
        scan,
        rivals === undefined ? ours : scanRivals(rivals, ours, destinations),
        scanRouteRules(space, rules),
        scanNeighbours(space, neighbours, scan.vteps),
      ],
      links: scan,
    };
  },
  peers: async (request) => {
    const { space, vteps } = request;
    if (space !== 'host') return { scans: [scanFdb(space, await output(request, ['bridge', '-j', 'fdb', 'show']))] };
    if (vteps.length === 0) return { scans: [] };
    const shows = vteps.map((name) => `fdb show dev ${name}\n`).join('');
    const answers = answersOf(await output(request, ['bridge', '-j', '-batch', '-'], shows), vteps.length);
    return { scans: vteps.map((name, i) => scanFdb(space, answers[i] ?? '[]', name)) };
  },
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
  rules: async (request) => {
    const rules = await output(request, request.iptables.save);
    return { scans: [scanIptablesSave(request.space, rules)], rules };
  },
};

/** What one table holds that is recognisably ours, and what in a namespace of our own is not. Fails with `apply-failed`. */
export function readTable(table: KernelTable, request: ReadRequest): Promise<Reading> {
  return readers[table](request);
}
