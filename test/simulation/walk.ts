import type { Id, Snapshot } from '@portolan/model';
import type { ObjectBody, ObservedObject } from '@portolan/node-state';
import type { SimulatedHost } from './host.js';
import { isReady } from './rest.js';
import type { World } from './world.js';

type Body<K extends ObjectBody['kind']> = Extract<ObjectBody, { readonly kind: K }>;

function ofKind<K extends ObjectBody['kind']>(host: SimulatedHost, kind: K): readonly { readonly space: string; readonly body: Body<K> }[] {
  const isOf = (object: ObservedObject): object is ObservedObject & { readonly body: Body<K> } => object.body?.kind === kind;
  return [...host.kernel.objects.values()].filter(isOf);
}

/** Why a packet to a VIP that begins in the load balancer's namespace of a host ends nowhere; undefined where it arrives at a ready endpoint. */
function deadEnd(world: World, snapshot: Snapshot, host: SimulatedHost, vip: string, serviceId: Id): string | undefined {
  const mark = ofKind(host, 'mark').find(({ body }) => body.match.stage === 'input' && body.match.destination === vip);
  if (mark === undefined) return 'no mark';
  const inSpace = ({ space, body }: { readonly space: string; readonly body: { readonly mark: number } }): boolean =>
    space === mark.space && body.mark === mark.body.mark;
  if (!ofKind(host, 'virtual-server').some(inSpace)) return `no virtual server ${mark.body.mark}`;
  const servers = ofKind(host, 'real-server').filter((server) => inSpace(server) && server.body.weight > 0);
  if (servers.length === 0) return 'no real server with a weight';
  for (const { body } of servers) {
    const endpoint = [...snapshot.endpoints.values()].find(
      (one) => one.serviceId === serviceId && one.addresses.some(({ address }) => address === body.address),
    );
    if (endpoint === undefined) return `the real server ${body.address} is no endpoint of the service`;
    const there = world.hosts.find(({ name }) => name === snapshot.nodes.get(endpoint.nodeId)?.name);
    if (there === undefined || there.absent.has(endpoint.id)) return `the container of ${endpoint.name} is not there`;
    const isHeld = ofKind(there, 'address').some(({ space, body: held }) => space === `endpoint:${endpoint.id}` && held.address === body.address);
    if (!isHeld) return `${endpoint.name} does not have ${body.address}`;
    if (there === host) continue;
    const neighbour = ofKind(host, 'neighbour').find(({ body: known }) => known.address === body.address);
    const leadsThere = ofKind(host, 'fdb').some(
      ({ space, body: entry }) => space === neighbour?.space && entry.mac === neighbour.body.mac && entry.vtep === there.address,
    );
    if (!leadsThere) return `no way over the overlay to ${endpoint.name} on ${there.name}`;
  }
  return undefined;
}

/** Walks from every host that takes part in a network to every VIP of it that somebody serves, over nothing but the objects in the kernels. */
export function unreachableVips(world: World, snapshot: Snapshot): readonly string[] {
  const lines: string[] = [];
  for (const service of snapshot.services.values()) {
    const ready = [...snapshot.endpoints.values()].filter((endpoint) => endpoint.serviceId === service.id && isReady(snapshot, endpoint.id));
    for (const { networkId, address } of service.networks) {
      if (address === null || !ready.some(({ addresses }) => addresses.some((held) => held.networkId === networkId))) continue;
      for (const node of snapshot.nodes.values()) {
        const host = world.hosts.find(({ name }) => name === node.name);
        if (host === undefined || !node.loadBalancers.some((held) => held.networkId === networkId)) continue;
        const end = deadEnd(world, snapshot, host, address, service.id);
        if (end !== undefined) lines.push(`${service.name} at ${address} from ${host.name}: ${end}`);
      }
    }
  }
  return lines;
}
