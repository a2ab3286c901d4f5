import {
  type Cidr,
  type Id,
  type Ipv4,
  ipv4Value,
  isHostAddress,
  type Network,
  type Snapshot,
  type Subnet,
  subnetOrUndefined,
  subnetsOf,
  underlayMtu,
} from '@portolan/model';

/** One of the subnets of a network. */
export interface SubnetView {
  readonly vni: number;
  readonly gateway: Ipv4;
  readonly text: Cidr;
  /** Undefined when the snapshot holds something that is no subnet. */
  readonly subnet: Subnet | undefined;
  /** Property of the network that it is written in. */
  readonly field: 'subnet' | 'extraSubnets';
}

interface NetworkView {
  readonly network: Network;
  readonly subnets: readonly SubnetView[];
}

/** A snapshot with what several rules look up. */
export class View {
  readonly snapshot: Snapshot;
  readonly networks: ReadonlyMap<Id, NetworkView>;
  readonly ingress: readonly Network[];
  /** Undefined when the setting is no subnet. */
  readonly gatewaySubnet: Subnet | undefined;
  #underlayMtu: number | undefined;
  #balanced: ReadonlySet<Id> | undefined;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.networks = new Map([...snapshot.networks].map(([id, network]) => [id, { network, subnets: subnetViews(network) }]));
    this.ingress = [...snapshot.networks.values()].filter((network) => network.ingress);
    this.gatewaySubnet = subnetOrUndefined(snapshot.cluster.settings.gatewaySubnet);
  }

  /** What fits between all hosts, in bytes. */
  get underlayMtu(): number {
    this.#underlayMtu ??= underlayMtu(this.snapshot);
    return this.#underlayMtu;
  }

  /** Networks on which a service has a VIP. */
  get balanced(): ReadonlySet<Id> {
    this.#balanced ??= balancedNetworks(this.snapshot);
    return this.#balanced;
  }

  network(id: Id): Network | undefined {
    return this.networks.get(id)?.network;
  }

  /** For messages: the name of a network, or its id when there is none. */
  nameOf(networkId: Id): string {
    return this.network(networkId)?.name ?? networkId;
  }
}

function subnetViews(network: Network): readonly SubnetView[] {
  return subnetsOf(network).map(({ vni, gateway, subnet }, i) => ({
    vni,
    gateway,
    text: subnet,
    subnet: subnetOrUndefined(subnet),
    field: i === 0 ? 'subnet' : 'extraSubnets',
  }));
}

function balancedNetworks({ services }: Snapshot): ReadonlySet<Id> {
  const ids = new Set<Id>();
  for (const { networks } of services.values()) for (const { networkId, address } of networks) if (address !== null) ids.add(networkId);
  return ids;
}

/** NaN, which is inside nothing, for what is no address. */
export function addressValue(address: Ipv4): number {
  return ipv4Value(address) ?? Number.NaN;
}

export function isInside(subnets: readonly SubnetView[], address: Ipv4): boolean {
  const value = addressValue(address);
  return subnets.some(({ subnet }) => subnet !== undefined && isHostAddress(subnet, value));
}
