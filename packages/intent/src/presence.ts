import { shareLedger } from '@portolan/ipam';
import type { Endpoint, Id, Snapshot } from '@portolan/model';

/** Notes what a node's agent saw of its endpoints' namespaces. Ids of other nodes' or unknown endpoints are ignored. */
export function setPresence(snapshot: Snapshot, nodeId: Id, seen: Readonly<Record<Id, 'present' | 'absent'>>): Snapshot {
  const changed: Endpoint[] = [];
  for (const [id, presence] of Object.entries(seen)) {
    const endpoint = snapshot.endpoints.get(id);
    if (endpoint === undefined || endpoint.nodeId !== nodeId || endpoint.presence === presence) continue;
    changed.push({ ...endpoint, presence, version: endpoint.version + 1 });
  }
  if (changed.length === 0) return snapshot;
  const endpoints = new Map(snapshot.endpoints);
  for (const endpoint of changed) endpoints.set(endpoint.id, endpoint);
  const after = { ...snapshot, endpoints };
  shareLedger(snapshot, after);
  return after;
}
