import { type Ipv4, ipv4Value } from '@portolan/model';
import type { SwarmAddress, SwarmBalancer, SwarmGateway, SwarmNetwork } from '../facts.js';
import { byNetwork } from '../order.js';
import { isOverlay, type NodeNetworks } from './networks.js';
import { firstHost, interfaceOf, macOr, subnetOf } from './values.js';

/** What is on the networks of one node, by its own networks.json. */
export interface NodePlaces {
  readonly file: string;
  readonly balancers: readonly SwarmBalancer[];
  readonly gateway: SwarmGateway | null;
  /** Containers on overlays, by their ids. */
  readonly containers: ReadonlyMap<string, AttachedContainer>;
  /** The VTEP that the node tells others of itself; null when its networks do not say. */
  readonly vtep: Ipv4 | null;
  /** VTEPs of all nodes that are on networks of this one. */
  readonly peers: ReadonlySet<Ipv4>;
}

export interface AttachedContainer {
  readonly containerId: string;
  /** Of a task its own: `web.1.nbt9ucn3j6aldvnn349b5zm4n`. */
  readonly name: string;
  readonly sandbox: string | null;
  readonly addresses: readonly SwarmAddress[];
}

/** Docker calls its sandboxes so where it lists containers: `lb-NETWORK`, and of the ingress network `ingress-sbox`. */
function balancerKey({ name, ingress }: Pick<SwarmNetwork, 'name' | 'ingress'>): string {
  return ingress ? `${name}-sbox` : `lb-${name}`;
}

/** Ids of containers; other keys are of sandboxes of Docker's own and of endpoints that have none (`ep-ID`). */
const containerKey = /^[0-9a-f]{64}$/;
/** Name of the namespace: the first twelve characters of the id of the sandbox. */
const gatewayName = /^gateway_(?<sandbox>[0-9a-f]{12})$/;

export function nodePlaces(own: NodeNetworks): NodePlaces {
  const { file, complaints, elements } = own;
  const balancers: SwarmBalancer[] = [];
  const attached = new Map<string, { readonly name: string; readonly addresses: SwarmAddress[] }>();
  const peers = new Set<Ipv4>();
  let vtep: Ipv4 | null = null;
  for (const { value: network, path } of elements) {
    if (!isOverlay(network)) continue;
    for (const { IP } of network.Peers ?? []) if (ipv4Value(IP ?? '') !== undefined) peers.add(IP ?? '');
    vtep ??= ownVtep(network);
    const balancer = balancerKey({ name: network.Name, ingress: network.Ingress === true });
    const containers = Object.entries(network.Containers ?? {});
    for (const [key, container] of containers) {
      if (key !== balancer && !containerKey.test(key)) continue;
      const at = `${path}/Containers/${key}/IPv4Address`;
      const found = interfaceOf(container.IPv4Address ?? '', at, complaints);
      if (found === null) continue;
      const { address, prefixLength } = found;
      const place = { networkId: network.Id, address, prefixLength, mac: macOr(container.MacAddress, address) };
      if (key === balancer) {
        balancers.push({ networkId: place.networkId, address, mac: place.mac });
        continue;
      }
      const known = attached.get(key);
      if (known === undefined) attached.set(key, { name: container.Name ?? '', addresses: [place] });
      else known.addresses.push(place);
    }
    if (containers.some(([key]) => containerKey.test(key)) && !containers.some(([key]) => key === balancer)) {
      const fix = 'The node has no load balancer for it: restart Docker on the node, and collect again.';
      complaints.at(`${path}/Containers`, `containers of the node are on "${network.Name}", but "${balancer}" is not`, fix);
    }
  }
  const bridge = gatewayBridge(own);
  const containers = [...attached].map(([containerId, { name, addresses }]): [string, AttachedContainer] => [
    containerId,
    { containerId, name, sandbox: bridge.sandboxOf.get(containerId) ?? null, addresses: addresses.sort(byNetwork) },
  ]);
  return { file, balancers: balancers.sort(byNetwork), gateway: bridge.gateway, containers: new Map(containers), vtep, peers };
}

/** Nodes tell others by gossip behind which VTEP each of their endpoints is: that of an endpoint of its own is the node's. */
function ownVtep({ Containers, Services }: NodeNetworks['elements'][number]['value']): Ipv4 | null {
  const own = new Set(Object.values(Containers ?? {}).map(({ EndpointID }) => EndpointID));
  for (const { Tasks } of Object.values(Services ?? {})) {
    for (const { EndpointID, Info } of Tasks ?? []) {
      const vtep = Info?.['Host IP'] ?? '';
      if (EndpointID && own.has(EndpointID) && ipv4Value(vtep) !== undefined) return vtep;
    }
  }
  return null;
}

function gatewayBridge({ elements, complaints }: NodeNetworks): { readonly gateway: SwarmGateway | null; readonly sandboxOf: ReadonlyMap<string, string> } {
  const sandboxOf = new Map<string, string>();
  const found = elements.find(({ value }) => value.Name === 'docker_gwbridge');
  const config = found?.value.IPAM?.Config?.find(({ Subnet }) => Subnet && !Subnet.includes(':'));
  const subnet = found === undefined || !config?.Subnet ? null : subnetOf(config.Subnet, `${found.path}/IPAM/Config`, complaints);
  if (found === undefined || subnet === null) return { gateway: null, sandboxOf };
  const sandboxes: Record<string, Ipv4> = {};
  let ingress: Ipv4 | null = null;
  for (const [key, { Name, IPv4Address }] of Object.entries(found.value.Containers ?? {})) {
    const address = interfaceOf(IPv4Address ?? '', `${found.path}/Containers/${key}/IPv4Address`, complaints)?.address;
    if (address === undefined) continue;
    const sandbox = gatewayName.exec(Name ?? '')?.groups?.sandbox;
    if (sandbox !== undefined) {
      sandboxes[sandbox] = address;
      sandboxOf.set(key, sandbox);
    } else if (key.endsWith('-sbox')) ingress = address;
  }
  const gateway = ipv4Value(config?.Gateway ?? '') === undefined ? firstHost(subnet) : (config?.Gateway ?? '');
  return { gateway: { subnet, gateway, ingress, sandboxes }, sandboxOf };
}
