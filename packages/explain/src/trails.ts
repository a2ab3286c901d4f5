import type { Hop, LeaseTrail, ObjectRef, Path } from './explanation.js';
import type { World } from './world.js';

/** For each crossing of flannel's network on the paths: the lease in the registry, and what in the kernel follows from it. */
export function trailsOf({ snapshot }: World, paths: readonly Path[]): readonly LeaseTrail[] {
  const trails = new Map<string, LeaseTrail>();
  for (const hop of paths.flatMap(({ forward, reply }) => [...forward, ...reply])) {
    const leaseKey = hop.object?.origin?.lease;
    const { node } = hop.place;
    const lease = leaseKey === undefined ? undefined : snapshot.flannelLeases.get(leaseKey);
    if (lease === undefined || node === null || lease.subnet === null || lease.publicAddress === null) continue;
    const name = `${node} ${lease.key}`;
    const known = trails.get(name) ?? {
      ...{ node, registryKey: lease.key, subnet: lease.subnet, host: lease.publicAddress, backend: lease.backendType },
      ...{
        route: null,
        neighbour: null,
        fdb: null,
        relay: null,
        lines: [`${lease.key} in the registry: ${lease.subnet} is at ${lease.publicAddress}, by ${lease.backendType}`],
      },
    };
    trails.set(name, withHop(known, hop));
  }
  return [...trails.values()];
}

const links = { route: 'route', neighbour: 'neighbour', fdb: 'fdb', 'udp-relay-peer': 'relay' } as const;

function withHop(trail: LeaseTrail, { object, text }: Hop): LeaseTrail {
  const kind = object?.kind;
  const field = kind === undefined || !(kind in links) ? undefined : links[kind as keyof typeof links];
  if (field === undefined || trail[field] !== null) return trail;
  const of: { readonly [F in (typeof links)[keyof typeof links]]?: ObjectRef | null } = { [field]: object };
  return { ...trail, ...of, lines: [...trail.lines, `${field === 'fdb' ? 'forwarding entry' : field}: ${text}`] };
}
