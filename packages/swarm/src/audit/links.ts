import type { DumpedLink, NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import { type NamespaceObject, objectKey } from '../object.js';
import type { Difference, Sight } from './difference.js';

export const GATEWAY = 'docker_gwbridge';

/** How the expected links and those that are there belong together. */
export interface LinkMatch {
  /** Observed links by the name of the expected one. Of veths on bridges, which are alike, there is none. */
  readonly links: ReadonlyMap<string, DumpedLink>;
  /** The name that is in use, by that of the expected state; a link that is missing keeps its own. */
  readonly nameOf: (expected: string) => string;
}

/** A text that is cut may lack the word. */
function isVeth({ kind, name }: DumpedLink): boolean {
  return kind === 'veth' || (kind === 'device' && name.startsWith('veth'));
}

/** A veth that Docker put on a bridge of the namespace: its name is drawn at random, or by the order of arrival. */
function isBridgePort(link: DumpedLink): boolean {
  return isVeth(link) && link.master !== null;
}

/** Links of containers are numbered in the order of arrival, so they are told by MAC and address; others by name as well. */
export function linkMatch({ role, dump }: ExpectedNamespace, observed: NamespaceDump): LinkMatch {
  const named = role !== 'task';
  const candidates = role === 'overlay' ? observed.links.filter((link) => !isVeth(link)) : observed.links;
  const pairs = dump.links
    .filter((link) => !isBridgePort(link))
    .flatMap((link) => candidates.map((there) => ({ link, there, score: likeness(link, there, named) })))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  const links = new Map<string, DumpedLink>();
  const taken = new Set<DumpedLink>();
  for (const { link, there } of pairs) {
    if (links.has(link.name) || taken.has(there)) continue;
    links.set(link.name, there);
    taken.add(there);
  }
  return { links, nameOf: (name) => links.get(name)?.name ?? name };
}

function likeness(link: DumpedLink, there: DumpedLink, named: boolean): number {
  if (link.name === 'lo' || there.name === 'lo') return link.name === there.name ? 1 : 0;
  const addresses = new Set(there.addresses.map(({ address }) => address));
  return (
    (named && link.name === there.name ? 2 : 0) +
    (link.vxlan !== null && link.vxlan.vni === there.vxlan?.vni ? 5 : 0) +
    (link.mac !== null && link.mac === there.mac ? 3 : 0) +
    (link.addresses.some(({ address }) => addresses.has(address)) ? 4 : 0)
  );
}

/** Links and ports of bridges that are missing or otherwise than Docker makes them. Their addresses are judged apart. */
export function linkDifferences(expected: ExpectedNamespace, observed: NamespaceDump, { links, nameOf }: LinkMatch, sight: Sight): readonly Difference[] {
  const differences: Difference[] = [];
  const gateway = gatewayLinks(expected);
  for (const link of expected.dump.links) {
    if (link.name === 'lo' || isBridgePort(link)) continue;
    const key = objectKey({ kind: 'link', link });
    const there = links.get(link.name);
    if (there === undefined) {
      if (!expected.optional.has(key)) differences.push({ kind: 'missing', aspect: 'object', key, expected: { kind: 'link', link }, found: null });
      continue;
    }
    const wanted = { ...link, name: there.name, mtu: gateway.has(link.name) ? (sight.gatewayMtu ?? link.mtu) : link.mtu };
    const aspects = aspectsOf(wanted, there, observed, gateway.has(link.name));
    differences.push(...aspects.map((aspect) => differenceOf(aspect, key, wanted, there)));
    if (link.master !== null && there.master !== nameOf(link.master)) {
      differences.push(missingPort(objectKey({ kind: 'port', link: link.name, master: link.master }), there, nameOf(link.master)));
    }
  }
  return [...differences, ...copiesOf(observed, links), ...portDifferences(expected, observed, nameOf, sight)];
}

/** Of a namespace the links that are on docker_gwbridge, or are that bridge. */
function gatewayLinks({ dump }: ExpectedNamespace): ReadonlySet<string> {
  const byDefault = dump.routes.filter(({ destination }) => destination === 'default').flatMap(({ link }) => (link === null ? [] : [link]));
  return new Set([GATEWAY, ...byDefault]);
}

function aspectsOf(wanted: DumpedLink, there: DumpedLink, observed: NamespaceDump, gateway: boolean): readonly Difference['aspect'][] {
  // A bridge has the least MTU of its ports unless somebody sets it: then the port is to blame.
  const followsPort = wanted.kind === 'bridge' && observed.links.some(({ master, mtu }) => master === there.name && mtu === there.mtu);
  const aspects: (readonly [Difference['aspect'], boolean])[] = [
    ['up', wanted.up !== there.up],
    ['mtu', wanted.mtu !== there.mtu && !followsPort],
    // Peers know the MAC of an overlay's endpoint; that on docker_gwbridge is drawn at random by newer engines.
    ['mac', wanted.kind === 'veth' && !gateway && wanted.mac !== null && wanted.mac !== there.mac],
  ];
  const { vxlan } = wanted;
  if (vxlan !== null) {
    aspects.push(
      ['vni', vxlan.vni !== there.vxlan?.vni],
      ['port', there.vxlan !== null && vxlan.port !== there.vxlan.port],
      ['proxy', there.vxlan !== null && vxlan.proxy !== there.vxlan.proxy],
    );
  }
  return aspects.filter(([, differs]) => differs).map(([aspect]) => aspect);
}

/**
 * The veths on bridges, by number: who is behind which is not to be seen. One that was taken off its bridge is told apart from one that is gone.
 * More of them than expected may be containers' that are no tasks.
 */
function portDifferences(
  { role, dump, optional }: ExpectedNamespace,
  observed: NamespaceDump,
  nameOf: LinkMatch['nameOf'],
  sight: Sight,
): readonly Difference[] {
  const differences: Difference[] = [];
  const ports = dump.links.filter(isBridgePort);
  const loose = observed.links.filter((link) => isVeth(link) && link.master === null && (role === 'overlay' || /^veth[0-9a-f]{7}$/.test(link.name)));
  for (const master of new Set(ports.map((link) => link.master ?? ''))) {
    const wanted = ports.filter((link) => link.master === master);
    const certain = wanted.filter((link) => !optional.has(objectKey({ kind: 'link', link })));
    const [model] = wanted;
    if (model === undefined) continue;
    const mtu = role === 'host' ? (sight.gatewayMtu ?? model.mtu) : model.mtu;
    const attached = observed.links.filter((link) => isVeth(link) && link.master === nameOf(master));
    const lacking = Math.max(0, certain.length - attached.length);
    const off = loose.splice(0, lacking);
    for (const there of [...attached, ...off]) {
      const like = { ...model, name: there.name, mtu };
      const key = objectKey({ kind: 'link', link: model });
      differences.push(...aspectsOf({ ...like, mac: null }, there, observed, false).map((aspect) => differenceOf(aspect, key, like, there)));
    }
    differences.push(...off.map((there) => missingPort(objectKey({ kind: 'port', link: model.name, master }), there, nameOf(master))));
    for (const link of certain.slice(certain.length - (lacking - off.length))) {
      if (lacking - off.length === 0) break;
      differences.push({ kind: 'missing', aspect: 'object', key: objectKey({ kind: 'link', link }), expected: { kind: 'link', link }, found: null });
    }
  }
  return differences;
}

/** Links that the dump has twice under one name. */
function copiesOf(observed: NamespaceDump, links: LinkMatch['links']): readonly Difference[] {
  const ours = new Set([...links.values()].map(({ name }) => name));
  return observed.links
    .filter((link, at) => (ours.has(link.name) || isBridgePort(link)) && observed.links.findIndex(({ name }) => name === link.name) < at)
    .map((link) => ({ kind: 'unexpected', aspect: 'copy', key: null, expected: null, found: { kind: 'link', link } }));
}

function differenceOf(aspect: Difference['aspect'], key: string, wanted: DumpedLink, there: DumpedLink): Difference {
  return { kind: 'different', aspect, key, expected: { kind: 'link', link: wanted }, found: { kind: 'link', link: there } };
}

function missingPort(key: string, there: DumpedLink, master: string): Difference {
  const expected: NamespaceObject = { kind: 'port', link: there.name, master };
  const found: NamespaceObject | null = there.master === null ? null : { kind: 'port', link: there.name, master: there.master };
  return { kind: found === null ? 'missing' : 'different', aspect: 'object', key, expected, found };
}
