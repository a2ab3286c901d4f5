import type { Endpoint, Id, Node, Service, Snapshot } from '@portolan/model';
import { type ServerTraffic, TrafficReadingSchema } from '@portolan/protocol';
import type { TrafficRow } from '@portolan/store';
import { assertSpoken } from './agent-protocol.js';
import type { Context } from './context.js';
import { objectNamed, objectsOf } from './objects.js';
import { parsed } from './parse.js';

/** Takes in what an agent has read of IPVS on its node. It is kept and shown; nothing is decided by it, and nothing is poked. */
export async function takeTraffic(ctx: Context, snapshot: Snapshot, name: string, document: unknown): Promise<void> {
  const node = objectNamed(snapshot, 'node', name);
  if (typeof document === 'object' && document !== null && 'protocol' in document && typeof document.protocol === 'number') {
    assertSpoken(document.protocol, '/protocol');
  }
  await ctx.store.saveTraffic(node.id, parsed(TrafficReadingSchema, document));
}

/** What was counted of something; all but `active` and `inactive` since its real servers were made. */
export interface Counted {
  /** Connections that were scheduled. */
  readonly connections: number;
  /** Of them in a second, between the two newest readings of each node; null where no node has two. */
  readonly perSecond: number | null;
  /** Connections that are there now, and those that have ended and are not yet forgotten. */
  readonly active: number;
  readonly inactive: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface BackendTraffic extends Counted {
  readonly endpoint: Endpoint;
  /** Of the connections of the service, in percent; 0 where there is none. */
  readonly share: number;
}

export interface NodeTraffic extends Counted {
  readonly node: Node;
  /** When its agent read it, by its clock. */
  readonly readAt: string;
  /** What this node has sent to each endpoint; those without anything are left out. */
  readonly backends: readonly (Counted & { readonly endpoint: Endpoint })[];
}

/** What the nodes of a cluster have counted of a service, summed over nodes and namespaces. */
export interface ServiceTraffic extends Counted {
  /** Of the newest reading; null where no agent has told any. */
  readonly readAt: string | null;
  /** Every endpoint of the service, by name. */
  readonly backends: readonly BackendTraffic[];
  /** The nodes that have told, by name. */
  readonly nodes: readonly NodeTraffic[];
}

export async function serviceTraffic(ctx: Context, snapshot: Snapshot, name: string): Promise<ServiceTraffic> {
  const service = objectNamed(snapshot, 'service', name);
  const traffic = (await trafficOfServices(ctx, snapshot, [service.id])).get(service.id);
  return traffic ?? trafficOf(snapshot, service, []);
}

/** The traffic of several services, by id, with one question to the store. */
export async function trafficOfServices(ctx: Context, snapshot: Snapshot, ids: readonly Id[]): Promise<ReadonlyMap<Id, ServiceTraffic>> {
  const services = ids.flatMap((id) => snapshot.services.get(id) ?? []);
  const marks = services.flatMap(marksOf);
  const rows = marks.length === 0 ? [] : await ctx.store.traffic(snapshot.cluster.id, marks);
  return new Map(services.map((service) => [service.id, trafficOf(snapshot, service, rows)]));
}

function marksOf({ networks }: Service): readonly number[] {
  return networks.flatMap(({ mark, localMark }) => [mark, localMark].filter((one) => one !== null));
}

interface Sum extends Counted {
  readonly endpoint: Endpoint;
}

const nothing: Counted = { connections: 0, perSecond: null, active: 0, inactive: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 };

function added(a: Counted, b: Counted): Counted {
  return {
    connections: a.connections + b.connections,
    perSecond: a.perSecond === null || b.perSecond === null ? (a.perSecond ?? b.perSecond) : a.perSecond + b.perSecond,
    active: a.active + b.active,
    inactive: a.inactive + b.inactive,
    inPackets: a.inPackets + b.inPackets,
    outPackets: a.outPackets + b.outPackets,
    inBytes: a.inBytes + b.inBytes,
    outBytes: a.outBytes + b.outBytes,
  };
}

const sumOf = (counted: readonly Counted[]): Counted => counted.reduce(added, nothing);

function trafficOf(snapshot: Snapshot, service: Service, rows: readonly TrafficRow[]): ServiceTraffic {
  const endpoints = objectsOf(snapshot, 'endpoint', { service: service.name });
  const endpointAt = endpointsByServer(service, endpoints);
  const nodes = rows
    .flatMap((row): NodeTraffic[] => {
      const node = snapshot.nodes.get(row.nodeId);
      return node === undefined ? [] : [nodeTraffic(node, row, endpointAt)];
    })
    .sort((a, b) => (a.node.name < b.node.name ? -1 : 1));
  const sent = new Map<Id, Counted>();
  for (const { endpoint, ...counted } of nodes.flatMap(({ backends }) => backends)) sent.set(endpoint.id, added(sent.get(endpoint.id) ?? nothing, counted));
  const whole = sumOf(nodes);
  const quiet = whole.perSecond === null ? nothing : { ...nothing, perSecond: 0 };
  return {
    ...whole,
    readAt: nodes.reduce<string | null>((newest, { readAt }) => (newest === null || readAt > newest ? readAt : newest), null),
    backends: endpoints.map((endpoint) => {
      const counted = sent.get(endpoint.id) ?? quiet;
      return { endpoint, ...counted, share: whole.connections === 0 ? 0 : (100 * counted.connections) / whole.connections };
    }),
    nodes,
  };
}

/** A virtual server of the service, and the endpoint's address in its network. An address of an endpoint that is gone leads nowhere: what it had is not told. */
function endpointsByServer(service: Service, endpoints: readonly Endpoint[]): (server: ServerTraffic) => Endpoint | undefined {
  const byServer = new Map<string, Endpoint>();
  for (const { networkId, mark, localMark } of service.networks) {
    for (const endpoint of endpoints) {
      const held = endpoint.addresses.find((own) => own.networkId === networkId);
      for (const one of held === undefined ? [] : [mark, localMark]) if (one !== null) byServer.set(`${one} ${held?.address}`, endpoint);
    }
  }
  return ({ mark, address }) => byServer.get(`${mark} ${address}`);
}

function nodeTraffic(node: Node, { latest, before }: TrafficRow, endpointAt: (server: ServerTraffic) => Endpoint | undefined): NodeTraffic {
  const seconds = before === null ? 0 : (Date.parse(latest.at) - Date.parse(before.at)) / 1000;
  const connectionsBefore = new Map(before?.servers.map((server) => [serverKey(server), server.connections]));
  // Of a host that is silent nobody knows what it has now.
  const isHeard = node.condition === 'up' || node.condition === 'unknown';
  const backends = new Map<Id, Sum>();
  for (const server of latest.servers) {
    const endpoint = endpointAt(server);
    if (endpoint === undefined) continue;
    const { connections, inPackets, outPackets, inBytes, outBytes } = server;
    const counted: Counted = {
      connections,
      perSecond: seconds > 0 && isHeard ? sinceThen(connections, connectionsBefore.get(serverKey(server)) ?? 0) / seconds : null,
      active: isHeard ? server.active : 0,
      inactive: isHeard ? server.inactive : 0,
      inPackets,
      outPackets,
      inBytes,
      outBytes,
    };
    backends.set(endpoint.id, { endpoint, ...added(backends.get(endpoint.id) ?? nothing, counted) });
  }
  const told = [...backends.values()].sort((a, b) => (a.endpoint.name < b.endpoint.name ? -1 : 1));
  const whole = sumOf(told);
  return { node, readAt: latest.at, ...whole, perSecond: whole.perSecond ?? (seconds > 0 && isHeard ? 0 : null), backends: told };
}

const serverKey = ({ space, mark, address }: ServerTraffic): string => `${space} ${mark} ${address}`;

/** A real server that was made anew has counted from 0. */
function sinceThen(now: number, before: number): number {
  return now >= before ? now - before : now;
}
