import type { DumpedRoute, NamespaceDump } from '@portolan/dump';
import type { ExpectedNamespace } from '../expected.js';
import type { Difference, Sight, Wanted } from './difference.js';
import type { LinkMatch } from './links.js';

/** Routes that Docker makes, the default route of what is on docker_gwbridge above all. A route by a link that is down has gone with it. */
export function routeDifferences(expected: ExpectedNamespace, wanted: readonly Wanted[], observed: NamespaceDump, { links }: LinkMatch): readonly Difference[] {
  // The host's own routes are not Docker's.
  if (expected.role === 'host') return [];
  // With its last address a link loses its routes too.
  const downed = new Set([...links.values()].filter(({ up, addresses }) => !up || addresses.length === 0).map(({ name }) => name));
  return wanted.flatMap(({ key, object }): readonly Difference[] => {
    if (object.kind !== 'route' || expected.optional.has(key)) return [];
    const { route } = object;
    const found = observed.routes.filter(({ destination, table, type }) => destination === route.destination && table === 'main' && type === 'unicast');
    if (found.some((other) => isSame(other, route))) return [];
    const [other] = found;
    if (other === undefined && downed.has(route.link ?? '')) return [];
    return [
      {
        kind: other === undefined ? 'missing' : 'different',
        aspect: 'object',
        key,
        expected: object,
        found: other === undefined ? null : { kind: 'route', route: other },
      },
    ];
  });
}

function isSame(a: DumpedRoute, b: DumpedRoute): boolean {
  return a.via === b.via && a.link === b.link;
}

/** Settings that Docker writes. All others are the host's owner's. */
export function sysctlDifferences(
  { optional }: ExpectedNamespace,
  wanted: readonly Wanted[],
  observed: NamespaceDump,
  { rulesKnown }: Sight,
): readonly Difference[] {
  return wanted.flatMap(({ key, object }): readonly Difference[] => {
    if (object.kind !== 'sysctl' || optional.has(key)) return [];
    // Only where the daemon makes its rules as we know them it needs this one.
    if (!rulesKnown && object.name.endsWith('.route_localnet')) return [];
    const value = observed.sysctls[object.name];
    if (value === object.value) return [];
    const found = value === undefined ? null : ({ kind: 'sysctl', name: object.name, value } as const);
    return [{ kind: found === null ? 'missing' : 'different', aspect: 'object', key, expected: object, found }];
  });
}
