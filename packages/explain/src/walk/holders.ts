import type { Cidr, Endpoint, FlannelLease, Id, Ipv4, Network, Node, Snapshot } from '@portolan/model';
import { holds, Ranges } from './range.js';

/** Who should have an address, by the intent. */
export type Holder =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint; readonly nodeId: Id }
  | { readonly kind: 'balancer'; readonly nodeId: Id }
  | { readonly kind: 'vip' };

interface Holders {
  readonly nodes: ReadonlyMap<Ipv4, Node>;
  /** By network, then by address. */
  readonly onNetwork: ReadonlyMap<Id, ReadonlyMap<Ipv4, Holder>>;
  readonly onFlannel: ReadonlyMap<Ipv4, Endpoint>;
  /** By node, then by address in the gateway subnet. */
  readonly onGateway: ReadonlyMap<string, Endpoint>;
  readonly subnets: Ranges<{ readonly network: Network; readonly subnet: Cidr }>;
  readonly leases: Ranges<FlannelLease>;
}

const made = new WeakMap<Snapshot, Holders>();

function holdersOf(snapshot: Snapshot): Holders {
  const known = made.get(snapshot);
  if (known !== undefined) return known;
  const onNetwork = new Map<Id, Map<Ipv4, Holder>>([...snapshot.networks.keys()].map((id) => [id, new Map<Ipv4, Holder>()]));
  const onFlannel = new Map<Ipv4, Endpoint>();
  const onGateway = new Map<string, Endpoint>();
  for (const { id: nodeId, loadBalancers } of snapshot.nodes.values()) {
    for (const { networkId, address } of loadBalancers) onNetwork.get(networkId)?.set(address, { kind: 'balancer', nodeId });
  }
  for (const { networks } of snapshot.services.values()) {
    for (const { networkId, address } of networks) if (address !== null) onNetwork.get(networkId)?.set(address, { kind: 'vip' });
  }
  for (const endpoint of snapshot.endpoints.values()) {
    const { addresses, nodeId, gatewayAddress, flannel } = endpoint;
    for (const { networkId, address } of addresses) onNetwork.get(networkId)?.set(address, { kind: 'endpoint', endpoint, nodeId });
    if (gatewayAddress !== null) onGateway.set(`${nodeId}/${gatewayAddress}`, endpoint);
    if (flannel !== null && flannel.address !== null) onFlannel.set(flannel.address, endpoint);
  }
  const subnets = [...snapshot.networks.values()].flatMap((network) =>
    [network, ...network.extraSubnets].map(({ subnet }) => [subnet, { network, subnet }] as const),
  );
  // A foreign lease may claim what is not flannel's, and would lead everything else astray.
  const pods = snapshot.flannel?.network ?? '';
  const leases = [...snapshot.flannelLeases.values()].flatMap((lease) =>
    lease.subnet !== null && holds(pods, lease.subnet.split('/')[0] ?? '') ? [[lease.subnet, lease] as const] : [],
  );
  const holders: Holders = {
    nodes: new Map([...snapshot.nodes.values()].map((node) => [node.address, node])),
    onNetwork,
    onFlannel,
    onGateway,
    subnets: new Ranges(subnets),
    leases: new Ranges(leases),
  };
  made.set(snapshot, holders);
  return holders;
}

/** The host with that address on the underlay. */
export function nodeAt(snapshot: Snapshot, address: Ipv4): Node | undefined {
  return holdersOf(snapshot).nodes.get(address);
}

export function holderOn(snapshot: Snapshot, networkId: Id, address: Ipv4): Holder | undefined {
  return holdersOf(snapshot).onNetwork.get(networkId)?.get(address);
}

/** The endpoint with that address on a host's bridges: of its way out, or of flannel. */
export function endpointBehind(snapshot: Snapshot, nodeId: Id, address: Ipv4): Endpoint | undefined {
  const { onGateway, onFlannel } = holdersOf(snapshot);
  return onGateway.get(`${nodeId}/${address}`) ?? onFlannel.get(address);
}

/** The network whose namespace is called so: `own:1-…` with the beginning of its id. */
export function networkOfSpace({ networks }: Snapshot, space: string): Network | undefined {
  const start = space.startsWith('own:1-') ? space.slice('own:1-'.length) : undefined;
  return start === undefined ? undefined : [...networks.values()].find(({ id }) => id.startsWith(start));
}

/** The network that a namespace balances for. */
export function networkOfBalancer({ networks }: Snapshot, space: string): Network | undefined {
  const start = space.startsWith('own:lb_') ? space.slice('own:lb_'.length) : undefined;
  return [...networks.values()].find(({ id, ingress }) => (start === undefined ? ingress && space === 'own:ingress_sbox' : id.startsWith(start)));
}

/** The subnet of a network that has that address. */
export function subnetWith(snapshot: Snapshot, address: Ipv4): Cidr | undefined {
  return holdersOf(snapshot).subnets.at(address)?.subnet;
}

/** The network that has a subnet with that address. */
export function networkWith(snapshot: Snapshot, address: Ipv4): Network | undefined {
  return holdersOf(snapshot).subnets.at(address)?.network;
}

/** Whether nobody outside the cluster can be meant by an address. */
export function isInside(snapshot: Snapshot, address: Ipv4): boolean {
  const { cluster, flannel } = snapshot;
  if (holds(cluster.settings.gatewaySubnet, address) || address.startsWith('127.')) return true;
  return (flannel !== null && holds(flannel.network, address)) || networkWith(snapshot, address) !== undefined;
}

/** Name of the endpoint with that address on a network. */
export function endpointNameAt(snapshot: Snapshot, address: Ipv4): string | null {
  const { onNetwork, onFlannel } = holdersOf(snapshot);
  for (const ofNetwork of onNetwork.values()) {
    const holder = ofNetwork.get(address);
    if (holder?.kind === 'endpoint') return holder.endpoint.name;
  }
  return onFlannel.get(address)?.name ?? null;
}

/** Subnet of flannel's network that an address is in, by the registry. */
export function leaseOf(snapshot: Snapshot, address: Ipv4): FlannelLease | undefined {
  return holdersOf(snapshot).leases.at(address);
}
