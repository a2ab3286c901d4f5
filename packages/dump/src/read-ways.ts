import { ipv4Value } from '@portolan/model';
import type { DumpedForwarding, DumpedNeighbour, DumpedRoute } from './namespace.js';
import { macOf, numberOf, quoted, type Refuse, type SectionLine, wordAfter, wordsOf } from './sections.js';

const types: ReadonlySet<string> = new Set([
  'unicast',
  'local',
  'broadcast',
  'multicast',
  'throw',
  'unreachable',
  'prohibit',
  'blackhole',
  'nat',
  'anycast',
  'xresolve',
]);

/** `ip route show table all`; IPv6 is left out. Of several ways of one route the first counts. */
export function readRoutes(lines: readonly SectionLine[], refuse: Refuse): DumpedRoute[] {
  const routes: DumpedRoute[] = [];
  for (const { number, text } of lines) {
    const words = wordsOf(text);
    if (words[0] === 'nexthop') {
      const route = routes.at(-1);
      if (route !== undefined && route.via === null && route.link === null) routes[routes.length - 1] = { ...route, ...wayOf(words) };
      continue;
    }
    const type = types.has(words[0] ?? '') ? words.shift() : undefined;
    const destination = words[0] ?? '';
    if (isIpv6(destination) || isIpv6(wordAfter(words, 'via') ?? '') || wordAfter(words, 'via') === 'inet6' || words.includes('pref')) continue;
    if (destination !== 'default' && !isDestination(destination)) {
      refuse(number, `${quoted(text)} is no route as "ip route" prints it`);
      continue;
    }
    routes.push({
      type: type ?? 'unicast',
      destination,
      ...wayOf(words),
      table: wordAfter(words, 'table') ?? 'main',
      protocol: wordAfter(words, 'proto') ?? null,
      metric: numberOf(wordAfter(words, 'metric')) ?? 0,
    });
  }
  return routes;
}

function wayOf(words: readonly string[]): Pick<DumpedRoute, 'via' | 'link'> {
  return { via: wordAfter(words, 'via') ?? null, link: wordAfter(words, 'dev') ?? null };
}

function isIpv6(word: string): boolean {
  return word.includes(':');
}

function isDestination(word: string): boolean {
  const [address = '', length, ...more] = word.split('/');
  return more.length === 0 && ipv4Value(address) !== undefined && (length === undefined || (numberOf(length) ?? 33) <= 32);
}

const states: ReadonlySet<string> = new Set(['PERMANENT', 'NOARP', 'REACHABLE', 'STALE', 'DELAY', 'PROBE', 'FAILED', 'INCOMPLETE', 'NONE']);

/** `ip neigh`; IPv6 and what a host answers for others (`proxy`) are left out. */
export function readNeighbours(lines: readonly SectionLine[], refuse: Refuse): DumpedNeighbour[] {
  const neighbours: DumpedNeighbour[] = [];
  for (const { number, text } of lines) {
    const words = wordsOf(text);
    const address = words[0] ?? '';
    if (isIpv6(address) || words.at(-1) === 'proxy') continue;
    const link = wordAfter(words, 'dev');
    const state = words.find((word) => states.has(word));
    if (ipv4Value(address) === undefined || link === undefined || state === undefined)
      refuse(number, `${quoted(text)} is no neighbour as "ip neigh" prints it`);
    else neighbours.push({ address, link, mac: macOf(wordAfter(words, 'lladdr')), state });
  }
  return neighbours;
}

/** `bridge fdb`. An entry that leads to a host by IPv6 has no `vtep`. */
export function readForwarding(lines: readonly SectionLine[], refuse: Refuse): DumpedForwarding[] {
  const entries: DumpedForwarding[] = [];
  for (const { number, text } of lines) {
    const words = wordsOf(text);
    const mac = macOf(words[0]);
    const link = wordAfter(words, 'dev');
    if (mac === null || link === undefined) {
      refuse(number, `${quoted(text)} is no entry as "bridge fdb" prints it`);
      continue;
    }
    const vtep = wordAfter(words, 'dst');
    entries.push({
      mac,
      link,
      vtep: vtep === undefined || ipv4Value(vtep) === undefined ? null : vtep,
      master: wordAfter(words, 'master') ?? null,
      permanent: words.includes('permanent'),
    });
  }
  return entries;
}
