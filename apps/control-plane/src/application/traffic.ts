import { type Endpoint, type Snapshot, trafficOf } from '@portolan/model';

export type Traffic = ReturnType<typeof trafficOf>;
export const traffics = ['all', 'established', 'nothing'] as const satisfies readonly Traffic[];

/** What an endpoint of a snapshot is sent. */
export function trafficTo(snapshot: Snapshot, endpoint: Endpoint): Traffic {
  const node = snapshot.nodes.get(endpoint.nodeId);
  const service = endpoint.serviceId === null ? undefined : snapshot.services.get(endpoint.serviceId);
  return node === undefined ? 'nothing' : trafficOf(endpoint, service ?? null, node);
}
