import { type Id, type Ipv4, ipv4Value, type Network, parseCidr, type Snapshot, type Subnet } from '@portolan/model';

export interface NetworkView {
  readonly network: Network;
  /** Undefined when the snapshot holds something that is no subnet. */
  readonly subnet: Subnet | undefined;
}

/** A snapshot with what several rules look up. */
export interface View {
  readonly snapshot: Snapshot;
  readonly networks: ReadonlyMap<Id, NetworkView>;
  readonly ingress: readonly Network[];
}

export function viewOf(snapshot: Snapshot): View {
  const networks = new Map([...snapshot.networks].map(([id, network]) => [id, { network, subnet: subnetOrUndefined(network.subnet) }]));
  return { snapshot, networks, ingress: [...snapshot.networks.values()].filter((network) => network.ingress) };
}

export function subnetOrUndefined(cidr: string): Subnet | undefined {
  try {
    return parseCidr(cidr);
  } catch {
    return undefined;
  }
}

/** NaN, which is inside nothing, for what is no address. */
export function addressValue(address: Ipv4): number {
  return ipv4Value(address) ?? Number.NaN;
}
