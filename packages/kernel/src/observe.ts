import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { type Cidr, PortolanError } from '@portolan/model';
import { observedState, type Space } from '@portolan/node-state';
import { joinVeths, type LinkScan, type Scan } from '@portolan/render';
import type { OwnFiles } from './files.js';
import { mapLimited } from './limited.js';
import type { NameServer, Observation, ObserveRequest, ResolvedEndpoints, UdpRelay } from './ports.js';
import { type SpacePulse, spacePulse } from './pulse.js';
import { hasTable, readTable } from './readers.js';
import { besideTuns } from './relay.js';
import { endpointIdOf, namespaceFile, ownNamespaces, ownPath, type Surroundings } from './spaces.js';
import type { Iptables } from './tools.js';
import { type KernelTable, kernelTables, type Written } from './written.js';

/** Namespaces that are read at once. More would only queue: the tools are short, and take the kernel's one RTNL lock. */
const PARALLEL = Math.min(3, availableParallelism());

/** A namespace to read; the host's has no path where this process is in it. */
interface Place {
  readonly space: Space;
  readonly path: string | undefined;
  /** Changes when another namespace is behind the path. */
  readonly incarnation: string;
  readonly sysctls: readonly string[];
  readonly wanted: ReadonlySet<string>;
  readonly destinations: ReadonlySet<Cidr>;
}

/** What was read last in a namespace. */
interface Remembered {
  readonly place: Place;
  readonly scans: ReadonlyMap<KernelTable, readonly Scan[]>;
  readonly links: Pick<LinkScan, 'halves' | 'vteps' | 'tuns'>;
  /** Output of iptables-save. */
  readonly rules: string;
  readonly pulse: SpacePulse;
}

const noLinks: Remembered['links'] = { halves: [], vteps: [], tuns: [] };
const nothing: ReadonlySet<string> = new Set();

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((each, i) => each === b[i]));
}

export interface KernelObserver {
  observe(request: ObserveRequest, resolved: ResolvedEndpoints): Promise<Observation>;
  /** What may have changed since it was read, see Kernel.doubts. */
  doubts(): Written;
  /** See `Kernel`. */
  rulesOf(space: Space): string;
}

/** What holds the part of a state that is in no kernel. */
export interface Beside {
  readonly names: NameServer;
  readonly relay: UdpRelay;
  readonly files: OwnFiles;
}

/**
 * Reads namespaces, with at most three processes each (ip, bridge, iptables-save). It remembers what it read, so
 * that after a write only the tables written are read again, and so that a pair of links is whole when one of its ends is. What other
 * programs have in the place of what is wanted is looked for by the request with which a table was read last.
 */
export function kernelObserver({ exec, runDirectory, host }: Surroundings, { names, relay, files }: Beside, iptables: () => Promise<Iptables>): KernelObserver {
  const readings = new Map<Space, Remembered>();

  async function placesOf({ endpoints, sysctls, links, destinations }: ObserveRequest, { found }: ResolvedEndpoints): Promise<readonly Place[]> {
    const place = (space: Space, path: string | undefined, incarnation: string): Place => ({
      space,
      path,
      incarnation,
      sysctls: sysctls.get(space) ?? [],
      wanted: nothing,
      destinations: nothing,
    });
    const places: Place[] = [{ ...place('host', host, ''), wanted: new Set(links), destinations: new Set(destinations) }];
    for (const [name, file] of await ownNamespaces(runDirectory)) {
      // A file without a namespace is nothing yet: making the namespace completes it.
      if (file.state === 'mounted') places.push(place(`own:${name}`, ownPath(runDirectory, name), `${file.identity}@${file.bornAt}`));
    }
    for (const id of Object.keys(endpoints)) {
      const there = found[id];
      if (there !== undefined) places.push(place(`endpoint:${id}`, there.path, there.incarnation));
    }
    return places;
  }

  async function read(place: Place, tables: readonly KernelTable[], before: Remembered | undefined, tool: Iptables): Promise<Remembered> {
    const scans = new Map(before?.scans);
    const pulse = before?.pulse ?? spacePulse(place.path, tool.version.includes('nf_tables') ? 'nf_tables' : 'legacy', place.space.startsWith('own:'));
    let links = before?.links ?? noLinks;
    let rules = before?.rules ?? '';
    try {
      for (const table of tables) {
        pulse.reading(table);
        const found = await readTable(table, { ...place, exec, iptables: tool, vteps: links.vteps });
        scans.set(table, found.scans);
        links = found.links ?? links;
        rules = found.rules ?? rules;
      }
    } catch (error) {
      pulse.close();
      throw error;
    }
    return { place, scans, links, rules, pulse };
  }

  /** Nothing is known of it any more. */
  function forget(space: Space): void {
    readings.get(space)?.pulse.close();
    readings.delete(space);
  }

  async function observe(request: ObserveRequest, resolved: ResolvedEndpoints): Promise<Observation> {
    const { endpoints, written } = request;
    const presence: Record<string, 'present' | 'absent'> = {};
    for (const id of Object.keys(endpoints)) presence[id] = resolved.found[id] === undefined ? 'absent' : 'present';
    const places = await placesOf(request, resolved);
    const spaces = new Set(places.map(({ space }) => space));
    for (const space of readings.keys()) if (!spaces.has(space)) forget(space);

    const tool = await iptables();
    const hasIpvs = await access('/proc/net/ip_vs').then(
      () => true,
      () => false,
    );
    await mapLimited(places, PARALLEL, async (place) => {
      const { space, path } = place;
      const last = readings.get(space);
      const before = written !== undefined && last?.place.incarnation === place.incarnation ? last : undefined;
      const isRead = (table: KernelTable): boolean =>
        before === undefined || written?.get(space)?.has(table) === true || (table === 'sysctls' && !isSameList(before.place.sysctls, place.sysctls));
      const tables = kernelTables.filter((table) => hasTable(space, table, hasIpvs) && isRead(table));
      // Should reading fail, nothing is known of it any more.
      readings.delete(space);
      if (before === undefined) last?.pulse.close();
      try {
        readings.set(space, await read(place, tables, before, tool));
      } catch (error) {
        // An endpoint may end while it is read; that is absence, not failure.
        const id = endpointIdOf(space);
        if (id === undefined || path === undefined || (await namespaceFile(path)).state === 'mounted') throw error;
        presence[id] = 'absent';
      }
    });
    const scans = [...readings].flatMap(([space, reading]) => [...reading.scans.values()].flat().map((scan) => ({ space, ...scan })));
    const answered = [
      ...names.observed(resolved.found).filter(({ space }) => presence[endpointIdOf(space) ?? ''] !== 'absent'),
      ...besideTuns(await relay.observed(), readings.get('host')?.links.tuns ?? [], new Set(request.links)),
      ...(await files.observed(request.files ?? [])),
    ];
    return {
      ...observedState(
        [...scans.flatMap(({ objects }) => objects), ...joinVeths([...readings.values()].flatMap(({ links }) => links.halves)), ...answered],
        presence,
        scans
          .flatMap(({ space, foreign }) => foreign.map((text) => ({ space, text })))
          .sort((a, b) => (`${a.space} ${a.text}` < `${b.space} ${b.text}` ? -1 : 1)),
      ),
      obstructions: scans
        .flatMap(({ space, obstructions = [] }) => obstructions.map((one) => ({ space, ...one })))
        .sort((a, b) => (`${a.space} ${a.chain}` < `${b.space} ${b.chain}` ? -1 : 1)),
      incarnations: Object.fromEntries(
        Object.entries(resolved.found).flatMap(([id, { incarnation }]) => (presence[id] === 'present' ? [[id, incarnation]] : [])),
      ),
      refused: resolved.refused,
    };
  }

  function doubts(): Written {
    const doubted = new Map<Space, ReadonlySet<KernelTable>>();
    for (const [space, { pulse }] of readings) {
      try {
        const tables = pulse.doubted();
        if (tables.size > 0) doubted.set(space, tables);
      } catch (error) {
        if (!(error instanceof PortolanError)) throw error;
        // It is gone, or another one is there: all of it is to be read.
        doubted.set(space, new Set(kernelTables));
      }
    }
    return doubted;
  }

  return { observe, doubts, rulesOf: (space) => readings.get(space)?.rules ?? '' };
}
