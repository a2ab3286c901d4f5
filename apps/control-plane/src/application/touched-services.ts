import type { Change, Id, Snapshot } from '@portolan/model';

/** The services, as they are now, whose way a change may have altered. `before` has those of endpoints that went with it. */
export function touchedServices(changes: readonly Change[], before: Snapshot, now: Snapshot): ReadonlySet<Id> {
  const names = (kind: Change['kind']): ReadonlySet<string> => new Set(changes.flatMap((change) => (change.kind === kind ? [change.name] : [])));
  // Settings concern all of them, and so does the host of a node that is new or elsewhere: everybody has to find it.
  if (names('cluster').size > 0 || names('node').size > 0) return new Set(now.services.keys());
  const [services, endpoints, networks] = [names('service'), names('endpoint'), names('network')];
  const touched = new Set<Id>();
  for (const { id, name, networks: own } of now.services.values()) {
    if (services.has(name) || own.some(({ networkId }) => networks.has(now.networks.get(networkId)?.name ?? ''))) touched.add(id);
  }
  for (const snapshot of [before, now]) {
    for (const { name, serviceId } of snapshot.endpoints.values()) {
      if (serviceId !== null && endpoints.has(name) && now.services.has(serviceId)) touched.add(serviceId);
    }
  }
  return touched;
}
