import { access } from 'node:fs/promises';
import { portolanError } from '@portolan/model';
import { type NodeState, type ObservedObject, type ObservedState, observedState, type Space, sysctlNames } from '@portolan/node-state';
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

/** Namespaces that are read at once. More would only queue: the tools are short and take the kernel's one RTNL lock. */
const PARALLEL = 3;

type Argv = readonly [string, ...string[]];

interface Reading {
  readonly scans: readonly Scan[];
  readonly halves: readonly VethHalf[];
}

/** A namespace to read; the host's has no path, because this process is in it. */
interface Place {
  readonly space: Space;
  readonly path: string | undefined;
}

const overlay = /^own:\d+-/;
const loadBalancer = /^own:(lb_|ingress_sbox$)/;

/**
 * Which tables can hold something of ours: an overlay's namespace has no rules and no IPVS, the host and endpoints
 * have no peers. An own namespace of an unknown name is a leftover, and everything in it is read.
 */
function tablesOf(space: Space): { readonly rules: boolean; readonly peers: boolean; readonly ipvs: boolean } {
  const own = space.startsWith('own:');
  return { rules: !overlay.test(space), peers: own && !loadBalancer.test(space), ipvs: own && !overlay.test(space) };
}

/** `ip -batch` answers with one JSON array a line for each command. */
function answersOf(stdout: string, count: number): readonly string[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== count) throw portolanError('apply-failed', '', `ip gave ${lines.length} answers to ${count} commands`);
  return lines;
}

async function readSpace(exec: Exec, iptables: Iptables, hasIpvs: boolean, { space, path }: Place): Promise<Reading> {
  const read = async (argv: Argv, input?: string): Promise<string> => {
    const ran = await exec.run(commandIn(path, argv), input);
    if (ran.exitCode !== 0) throw portolanError('apply-failed', '', `${space}: ${ran.command}: ${ran.stderr.trim() || `exit code ${ran.exitCode}`}`);
    return ran.stdout;
  };
  const tables = tablesOf(space);
  const shows = ['addr show', 'route show', ...(tables.peers ? ['neigh show nud permanent'] : [])];
  const [links = '[]', routes = '[]', neighbours] = answersOf(await read(['ip', '-j', '-d', '-batch', '-'], `${shows.join('\n')}\n`), shows.length);
  const linkScan = scanLinks(space, links);
  const scans: Scan[] = [linkScan, scanRoutes(space, routes)];
  if (neighbours !== undefined) scans.push(scanNeighbours(space, neighbours), scanFdb(space, await read(['bridge', '-j', 'fdb', 'show'])));
  if (tables.rules) scans.push(scanIptablesSave(space, await read(iptables.save)));
  if (tables.ipvs && hasIpvs) scans.push(scanIpvsadm(space, await read(['ipvsadm', '-S', '-n'])));
  const names = sysctlNames(space);
  if (names.length > 0) scans.push(scanSysctls(space, await read(['sysctl', '-e', ...names])));
  return { scans, halves: linkScan.halves };
}

function isIncluded(space: Space, spaces: ReadonlySet<Space> | undefined): boolean {
  return spaces === undefined || spaces.has(space);
}

/**
 * Reads namespaces with at most five processes each (ip, bridge, iptables-save, ipvsadm, sysctl). It keeps the ends
 * of veths that it saw last in each namespace, so that a pair is whole when only one of its ends is read again.
 */
export function kernelObserver(exec: Exec, runDirectory: string, iptables: () => Promise<Iptables>) {
  const halves = new Map<Space, readonly VethHalf[]>();

  return async (endpoints: NodeState['endpoints'], resolved: ResolvedEndpoints, spaces?: ReadonlySet<Space>): Promise<ObservedState> => {
    const objects: ObservedObject[] = [];
    const foreign: { space: Space; text: string }[] = [];
    const presence: Record<string, 'present' | 'absent'> = {};
    const places: Place[] = [{ space: 'host', path: undefined }];
    for (const [name, file] of await ownNamespaces(runDirectory)) {
      // A file without a namespace is nothing yet: making the namespace completes it.
      if (file.state === 'mounted') places.push({ space: `own:${name}`, path: ownPath(runDirectory, name) });
    }
    for (const id of Object.keys(endpoints)) {
      const found = resolved.found[id];
      presence[id] = found === undefined ? 'absent' : 'present';
      if (found !== undefined) places.push({ space: `endpoint:${id}`, path: found.path });
    }
    for (const space of halves.keys()) if (!places.some((place) => place.space === space)) halves.delete(space);

    const tool = await iptables();
    const hasIpvs = await access('/proc/net/ip_vs').then(
      () => true,
      () => false,
    );
    const asked = places.filter(({ space }) => isIncluded(space, spaces));
    const readings = await mapLimited(asked, PARALLEL, async (place) => {
      try {
        return await readSpace(exec, tool, hasIpvs, place);
      } catch (error) {
        // An endpoint may end while it is read; that is absence, not failure.
        if (!place.space.startsWith('endpoint:') || place.path === undefined || (await namespaceFile(place.path)).state === 'mounted') throw error;
        return undefined;
      }
    });
    for (const [i, { space }] of asked.entries()) {
      const reading = readings[i];
      if (reading === undefined) {
        presence[space.slice('endpoint:'.length)] = 'absent';
        halves.delete(space);
        continue;
      }
      halves.set(space, reading.halves);
      for (const scan of reading.scans) {
        objects.push(...scan.objects);
        foreign.push(...scan.foreign.map((text) => ({ space, text })));
      }
    }
    objects.push(...joinVeths([...halves.values()].flat()).filter(({ space }) => isIncluded(space, spaces)));
    return observedState(objects, presence, foreign);
  };
}
