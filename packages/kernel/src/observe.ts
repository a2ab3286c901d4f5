import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { portolanError } from '@portolan/model';
import { type NodeState, type ObservedState, observedState, type Space, sysctlNames } from '@portolan/node-state';
import {
  joinVeths,
  type Scan,
  scanFdb,
  scanIptablesSave,
  scanIpvsadm,
  scanLinks,
  scanNeighbours,
  scanRoutes,
  scanSysctls,
  type VethHalf,
} from '@portolan/render';
import { mapLimited } from './limited.js';
import type { Exec, ResolvedEndpoints } from './ports.js';
import { commandIn, namespaceFile, ownNamespaces, ownPath } from './spaces.js';
import type { Iptables } from './tools.js';
import { type KernelTable, kernelTables, type Written } from './written.js';

/** Namespaces that are read at once. More would only queue: the tools are short, and take the kernel's one RTNL lock. */
const PARALLEL = Math.min(3, availableParallelism());

type Argv = readonly [string, ...string[]];

/** A namespace to read; the host's has no path, because this process is in it. */
interface Place {
  readonly space: Space;
  readonly path: string | undefined;
  /** Changes when another namespace is behind the path. */
  readonly incarnation: string;
}

/** What was read last in a namespace. */
interface Reading {
  readonly incarnation: string;
  readonly scans: ReadonlyMap<KernelTable, readonly Scan[]>;
  readonly halves: readonly VethHalf[];
}

const overlay = /^own:\d+-/;
const loadBalancer = /^own:(lb_|ingress_sbox$)/;

/**
 * The tables that can hold something of ours: an overlay's namespace has no rules and no IPVS, the host and endpoints
 * have no peers. An own namespace of an unknown name is a leftover, and everything in it is read.
 */
function hasTable(space: Space, table: KernelTable, hasIpvs: boolean): boolean {
  const own = space.startsWith('own:');
  switch (table) {
    case 'links':
      return true;
    case 'peers':
      return own && !loadBalancer.test(space);
    case 'rules':
      return !overlay.test(space);
    case 'servers':
      return hasIpvs && own && !overlay.test(space);
    case 'sysctls':
      return sysctlNames(space).length > 0;
  }
}

/** `ip -batch` answers with one JSON array a line for each command. */
function answersOf(stdout: string, count: number): readonly string[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== count) throw portolanError('apply-failed', '', `ip gave ${lines.length} answers to ${count} commands`);
  return lines;
}

/** One process. */
type Reader = (
  space: Space,
  read: (argv: Argv, input?: string) => Promise<string>,
  iptables: Iptables,
) => Promise<{ scans: Scan[]; halves?: readonly VethHalf[] }>;

const readers: Readonly<Record<KernelTable, Reader>> = {
  links: async (space, read) => {
    const shows = ['addr show', 'route show', ...(space.startsWith('own:') ? ['neigh show nud permanent'] : [])];
    const [links = '[]', routes = '[]', neighbours] = answersOf(await read(['ip', '-j', '-d', '-batch', '-'], `${shows.join('\n')}\n`), shows.length);
    const scan = scanLinks(space, links);
    return { scans: [scan, scanRoutes(space, routes), ...(neighbours === undefined ? [] : [scanNeighbours(space, neighbours)])], halves: scan.halves };
  },
  peers: async (space, read) => ({ scans: [scanFdb(space, await read(['bridge', '-j', 'fdb', 'show']))] }),
  sysctls: async (space, read) => ({ scans: [scanSysctls(space, await read(['sysctl', '-e', ...sysctlNames(space)]))] }),
  servers: async (space, read) => ({ scans: [scanIpvsadm(space, await read(['ipvsadm', '-S', '-n']))] }),
  rules: async (space, read, iptables) => ({ scans: [scanIptablesSave(space, await read(iptables.save))] }),
};

async function readTables(
  exec: Exec,
  iptables: Iptables,
  { space, path, incarnation }: Place,
  tables: readonly KernelTable[],
  before: Reading | undefined,
): Promise<Reading> {
  const scans = new Map(before?.scans);
  let halves = before?.halves ?? [];
  const read = async (argv: Argv, input?: string): Promise<string> => {
    const ran = await exec.run(commandIn(path, argv), input);
    if (ran.exitCode !== 0) throw portolanError('apply-failed', '', `${space}: ${ran.command}: ${ran.stderr.trim() || `exit code ${ran.exitCode}`}`);
    return ran.stdout;
  };
  for (const table of tables) {
    const found = await readers[table](space, read, iptables);
    scans.set(table, found.scans);
    halves = found.halves ?? halves;
  }
  return { incarnation, scans, halves };
}

async function ownPlaces(runDirectory: string): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const [name, file] of await ownNamespaces(runDirectory)) {
    // A file without a namespace is nothing yet: making the namespace completes it.
    if (file.state !== 'mounted') continue;
    places.push({ space: `own:${name}`, path: ownPath(runDirectory, name), incarnation: `${file.identity}@${file.bornAt}` });
  }
  return places;
}

export type KernelObserver = (endpoints: NodeState['endpoints'], resolved: ResolvedEndpoints, written?: Written) => Promise<ObservedState>;

/**
 * Reads namespaces, with at most five processes each (ip, bridge, sysctl, ipvsadm, iptables-save). It remembers what
 * it read, so that after a write only the tables written are read again, and so that a pair of links is whole when one
 * of its ends is.
 */
export function kernelObserver(exec: Exec, runDirectory: string, iptables: () => Promise<Iptables>): KernelObserver {
  const readings = new Map<Space, Reading>();

  return async (endpoints, resolved, written) => {
    const presence: Record<string, 'present' | 'absent'> = {};
    const places: Place[] = [{ space: 'host', path: undefined, incarnation: '' }, ...(await ownPlaces(runDirectory))];
    for (const id of Object.keys(endpoints)) {
      const found = resolved.found[id];
      presence[id] = found === undefined ? 'absent' : 'present';
      if (found !== undefined) places.push({ space: `endpoint:${id}`, ...found });
    }
    const spaces = new Set(places.map(({ space }) => space));
    for (const space of readings.keys()) if (!spaces.has(space)) readings.delete(space);

    const tool = await iptables();
    const hasIpvs = await access('/proc/net/ip_vs').then(
      () => true,
      () => false,
    );
    await mapLimited(places, PARALLEL, async (place) => {
      const { space, path, incarnation } = place;
      const last = readings.get(space);
      const before = written !== undefined && last?.incarnation === incarnation ? last : undefined;
      const tables = kernelTables.filter((table) => hasTable(space, table, hasIpvs) && (before === undefined || written?.get(space)?.has(table) === true));
      // Should reading fail, nothing is known of it any more.
      readings.delete(space);
      try {
        readings.set(space, await readTables(exec, tool, place, tables, before));
      } catch (error) {
        // An endpoint may end while it is read; that is absence, not failure.
        if (!space.startsWith('endpoint:') || path === undefined || (await namespaceFile(path)).state === 'mounted') throw error;
        presence[space.slice('endpoint:'.length)] = 'absent';
      }
    });
    const scans = [...readings].flatMap(([space, reading]) => [...reading.scans.values()].flat().map((scan) => ({ space, ...scan })));
    return observedState(
      [...scans.flatMap(({ objects }) => objects), ...joinVeths([...readings.values()].flatMap(({ halves }) => halves))],
      presence,
      scans
        .flatMap(({ space, foreign }) => foreign.map((text) => ({ space, text })))
        .sort((a, b) => (`${a.space} ${a.text}` < `${b.space} ${b.text}` ? -1 : 1)),
    );
  };
}
