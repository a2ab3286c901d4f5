import type { DumpSection, NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import { type NamespaceObject, objectKey, objectsOf } from '../object.js';
import { addressDifferences } from './addresses.js';
import { balancingDifferences } from './balancing.js';
import { type Difference, fullSight, type Sight, type Wanted } from './difference.js';
import { type LinkMatch, linkDifferences, linkMatch } from './links.js';
import { marksInUse } from './marks.js';
import { peerDifferences } from './peers.js';
import { routeDifferences, sysctlDifferences } from './routes.js';
import { markOfRule, withMark } from './rule.js';
import { ruleDifferences } from './rules.js';

/**
 * Where a namespace is not as Docker makes it, one difference a fault: what is missing because something else is missing is not told. Marks are compared up to a
 * consistent renaming, links by what they are for; what other programs made, what the kernel learned or counted, and what is optional is no difference.
 */
export function differencesOf(programmed: ExpectedNamespace, observed: NamespaceDump, sight: Sight = fullSight): readonly Difference[] {
  const expected = withLasting(programmed, observed);
  const { sections } = sight;
  const read = (...needed: readonly DumpSection[]): boolean => needed.every((section) => sections.has(section));
  const match: LinkMatch = read('addr') ? linkMatch(expected, observed) : { links: new Map(), nameOf: (name) => name };
  const marks = marksInUse(expected.dump, observed);
  const wanted = inUse(expected, observed, match, marks);
  const links = read('addr') ? linkDifferences(expected, observed, match, sight) : [];
  const lost = lostLinks(links, expected);
  const rest = wanted.filter(({ object }) => !lost.has(linkOf(object) ?? ''));
  return [
    ...links.map((difference) => withPeers(difference, wanted)),
    ...(read('addr') ? addressDifferences(expected, rest, observed, match) : []),
    ...(read('route') ? routeDifferences(expected, rest, observed, match) : []),
    ...(read('neigh', 'fdb') ? peerDifferences(expected, withoutForgotten(rest, observed, links), observed) : []),
    ...(read('iptables') ? ruleDifferences(expected, rest, observed, sight) : []),
    ...(read('ipvs') ? balancingDifferences(expected, rest, observed) : []),
    ...(read('sysctl') ? sysctlDifferences(expected, rest, observed, sight) : []),
  ];
}

/** What was made together is asked for when a part of it is there. Settings of the host do not count: others may have made them. */
function withLasting(expected: ExpectedNamespace, { chains, rules, sysctls }: NamespaceDump): ExpectedNamespace {
  const { lasting, optional, role, dump } = expected;
  if (![...lasting].some((key) => optional.has(key))) return expected;
  const set = role === 'host' ? [] : Object.entries(dump.sysctls).filter(([name, value]) => sysctls[name] === value);
  const there = [
    ...chains.map((chain) => objectKey({ kind: 'chain', chain })),
    ...rules.map((rule) => objectKey({ kind: 'rule', rule })),
    ...set.map(([name, value]) => objectKey({ kind: 'sysctl', name, value })),
  ];
  return there.some((key) => lasting.has(key)) ? { ...expected, optional: new Set([...optional].filter((key) => !lasting.has(key))) } : expected;
}

/** The expected objects in the names of links and the marks that the namespace uses. A mark that it does not use gets one that is free. */
function inUse(expected: ExpectedNamespace, observed: NamespaceDump, { nameOf }: LinkMatch, marks: ReadonlyMap<number, number>): readonly Wanted[] {
  const taken = new Set([...marks.values(), ...observed.virtualServers.map(({ mark }) => mark), ...observed.rules.flatMap((rule) => markOfRule(rule) ?? [])]);
  const free = new Map<number, number>();
  const markOf = (mark: number): number => {
    const known = marks.get(mark) ?? free.get(mark);
    if (known !== undefined) return known;
    let next = mark;
    while (taken.has(next)) next++;
    taken.add(next);
    free.set(mark, next);
    return next;
  };
  const named = (link: string | null): string | null => (link === null ? null : nameOf(link));
  // Most keep their names, and there are many of them.
  const isNamedSo = (link: string): boolean => nameOf(link) === link;
  const translated = (object: NamespaceObject): NamespaceObject => {
    switch (object.kind) {
      case 'address':
        return { ...object, link: nameOf(object.link) };
      case 'route':
        return { kind: 'route', route: { ...object.route, link: named(object.route.link) } };
      case 'neighbour':
        return isNamedSo(object.neighbour.link) ? object : { kind: 'neighbour', neighbour: { ...object.neighbour, link: nameOf(object.neighbour.link) } };
      case 'forwarding':
        return isNamedSo(object.forwarding.link) ? object : { kind: 'forwarding', forwarding: { ...object.forwarding, link: nameOf(object.forwarding.link) } };
      case 'rule': {
        const mark = markOfRule(object.rule);
        return mark === null || markOf(mark) === mark ? object : { kind: 'rule', rule: withMark(object.rule, markOf(mark)) };
      }
      case 'virtual-server':
        return { kind: 'virtual-server', virtualServer: { ...object.virtualServer, mark: markOf(object.virtualServer.mark) } };
      case 'real-server':
        return markOf(object.realServer.mark) === object.realServer.mark
          ? object
          : { kind: 'real-server', realServer: { ...object.realServer, mark: markOf(object.realServer.mark) } };
      case 'sysctl':
        return { ...object, name: object.name.replace(linkSysctl, (_, family: string, link: string, rest: string) => `${family}${nameOf(link)}${rest}`) };
      case 'link':
      case 'port':
      case 'chain':
        return object;
    }
  };
  return objectsOf(expected.dump).map((object) => ({ key: objectKey(object), object: translated(object) }));
}

const linkSysctl = /^(net\.ipv4\.conf\.)(.+)(\.[a-z_]+)$/;

/** The link that an object is on, when it goes with it. */
function linkOf(object: NamespaceObject): string | null {
  switch (object.kind) {
    case 'address':
    case 'port':
      return object.link;
    case 'route':
      return object.route.link;
    case 'neighbour':
      return object.neighbour.link;
    case 'forwarding':
      return object.forwarding.link;
    case 'sysctl':
      return linkSysctl.exec(object.name)?.[2] ?? null;
    default:
      return null;
  }
}

/** Links that are missing, and with them what is on them; and such as may be. */
function lostLinks(differences: readonly Difference[], { dump, optional }: ExpectedNamespace): ReadonlySet<string> {
  const missing = differences.flatMap(({ kind, expected }) => (kind === 'missing' && expected?.kind === 'link' ? [expected.link.name] : []));
  const absent = dump.links.filter((link) => optional.has(objectKey({ kind: 'link', link }))).map(({ name }) => name);
  return new Set([...missing, ...absent]);
}

/** A tunnel that is made anew, or comes up again, has no peers. */
function withPeers(difference: Difference, wanted: readonly Wanted[]): Difference {
  const { expected } = difference;
  if (expected?.kind !== 'link' || expected.link.vxlan === null) return difference;
  const { name } = expected.link;
  const implied = wanted
    .map(({ object }) => object)
    .filter((object) => (object.kind === 'neighbour' || object.kind === 'forwarding' || object.kind === 'port') && linkOf(object) === name);
  return { ...difference, implied };
}

/**
 * The kernel forgets the neighbours of a link that goes down, and a tunnel that was made anew has no peers at all: they are gone all at once, so any that is left shows
 * that the others are missing by themselves.
 */
function withoutForgotten(wanted: readonly Wanted[], observed: NamespaceDump, links: readonly Difference[]): readonly Wanted[] {
  const troubled = new Set(
    links.flatMap(({ aspect, expected }) => (expected?.kind === 'link' && ['up', 'vni', 'port', 'proxy'].includes(aspect) ? [expected.link.name] : [])),
  );
  const hasNeighbour = new Set(observed.neighbours.filter(({ state }) => state === 'PERMANENT').map(({ link }) => link));
  const hasForwarding = new Set(observed.forwarding.filter(({ vtep, permanent }) => vtep !== null && permanent).map(({ link }) => link));
  return wanted.filter(({ object }) => {
    if (object.kind === 'neighbour') return !troubled.has(object.neighbour.link) || hasNeighbour.has(object.neighbour.link);
    if (object.kind === 'forwarding') return !troubled.has(object.forwarding.link) || hasForwarding.has(object.forwarding.link);
    return true;
  });
}
