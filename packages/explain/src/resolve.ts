import { type Ipv4, ipv4Value, portolanError, type Service, type Snapshot } from '@portolan/model';
import type { ObjectRef, Question, Resolution } from './explanation.js';
import { type Client, endpointNamed, nodeNamed, type Target } from './question.js';
import type { World } from './world.js';

/** What a name or place was turned into. */
export interface Resolved {
  readonly resolution: Resolution | null;
  readonly addresses: readonly Ipv4[];
  /** null: the protocol has none. */
  readonly port: number | null;
}

/** Where nothing says otherwise. */
const USUAL_PORT = 80;

/** The addresses that the client dials. None: the name is nobody's. Throws `not-found`. */
export function resolvedTarget(world: World, client: Client, target: Target, question: Question): Resolved {
  const { snapshot } = world;
  const port = (usual: number): number | null => (target.transport === 'icmp' ? null : (target.port ?? usual));
  switch (target.kind) {
    case 'address':
      return { resolution: null, addresses: [target.text], port: port(USUAL_PORT) };
    case 'node':
      return { resolution: null, addresses: [nodeNamed(snapshot, target.text, '/to').address], port: port(USUAL_PORT) };
    case 'endpoint':
      return {
        resolution: null,
        addresses: [addressOfEndpoint(snapshot, client, target.text)],
        port: port(firstTarget(serviceOfEndpoint(snapshot, target.text))),
      };
    case 'name':
      return client.kind === 'endpoint'
        ? named(world, client, target, port(firstTarget(serviceNamed(snapshot, target.text))))
        : published(snapshot, client, target, question);
  }
}

/** An address of the endpoint on a network that the client is on, too. */
function addressOfEndpoint(snapshot: Snapshot, client: Client, name: string): Ipv4 {
  const endpoint = endpointNamed(snapshot, name, '/to');
  const own = client.kind === 'endpoint' ? new Set(client.endpoint.addresses.map(({ networkId }) => networkId)) : new Set<string>();
  const shared = endpoint.addresses.find(({ networkId }) => own.has(networkId))?.address;
  const address = shared ?? endpoint.flannel?.address ?? endpoint.addresses[0]?.address;
  if (address == null) throw portolanError('not-found', '/to', `endpoint ${name} has no address`, { fix: 'Put it on a network.' });
  return address;
}

function serviceOfEndpoint(snapshot: Snapshot, name: string): Service | undefined {
  const { serviceId } = endpointNamed(snapshot, name, '/to');
  return serviceId === null ? undefined : snapshot.services.get(serviceId);
}

function serviceNamed({ services }: Snapshot, name: string): Service | undefined {
  const first = name.replace(/^tasks\./, '').split('.')[0];
  return [...services.values()].find((own) => own.name === name || own.name === first);
}

function firstTarget(service: Service | undefined): number {
  return service?.ports[0]?.target ?? USUAL_PORT;
}

/** As the name server of the client's node answers it: its networks in order, and `NAME.NETWORK`. */
function named(world: World, { endpoint, node }: Client & { readonly kind: 'endpoint' }, target: Target, port: number | null): Resolved {
  const name = target.text.toLowerCase();
  const things = world.host(node.name)?.things ?? [];
  const space = `endpoint:${endpoint.id}`;
  const asker = things.map(({ space: own, body }) => (own === space && body?.kind === 'dns-client' ? body : undefined)).find((body) => body !== undefined);
  for (const network of asker?.networks ?? []) {
    for (const { key, kind, body, origin } of things) {
      if (body?.kind !== 'dns-name' || body.network !== network || (body.name !== name && `${body.name}.${network}` !== name)) continue;
      const isOwn = body.own !== undefined && asker?.service === body.own.service;
      const addresses = isOwn ? (body.own?.addresses ?? []) : body.addresses;
      const object: ObjectRef = { node: node.name, key, kind, origin };
      const text =
        addresses.length === 0
          ? `${body.name} on ${network} exists and leads to nobody`
          : `${body.name} on ${network}: ${addresses.join(', ')}, by the name server of ${node.name}`;
      return { resolution: { name, addresses: ascending(addresses), object, text }, addresses: ascending(addresses), port };
    }
  }
  const text = asker === undefined ? `the name server of ${node.name} does not answer ${endpoint.name}` : `no network of ${endpoint.name} has the name ${name}`;
  return { resolution: { name, addresses: [], object: null, text }, addresses: [], port };
}

function ascending(addresses: readonly Ipv4[]): readonly Ipv4[] {
  return addresses.toSorted((a, b) => (ipv4Value(a) ?? 0) - (ipv4Value(b) ?? 0));
}

/** Clients that do not ask our name server dial a published port of a node. */
function published(snapshot: Snapshot, client: Client, { text, port, transport }: Target, question: Question): Resolved {
  const service = serviceNamed(snapshot, text);
  if (service === undefined)
    throw portolanError('not-found', '/to', `there is no service ${text} in cluster ${snapshot.cluster.name}`, { fix: 'See portolan get services.' });
  const entry =
    service.ports.find((own) => own.protocol === transport && (port === null || own.published === port)) ??
    service.ports.find((own) => own.protocol === transport && own.target === port);
  if (entry === undefined) {
    throw portolanError('not-found', '/to', `service ${text} publishes no port ${port ?? ''}/${transport}`, { fix: 'Publish it, or ask from an endpoint.' });
  }
  const first = [...snapshot.nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))[0];
  const node = question.node === undefined ? (client.kind === 'host' ? client.node : first) : nodeNamed(snapshot, question.node, '/node');
  if (node === undefined) throw portolanError('not-found', '/to', 'the cluster has no node', { fix: 'Let a host join.' });
  const resolution = { name: text, addresses: [node.address], object: null, text: `published port ${entry.published}/${transport} of ${node.name}` };
  return { resolution, addresses: [node.address], port: entry.published };
}
