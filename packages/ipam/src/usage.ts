import { type Id, ipv4Value, type Network, parseCidr, protocols, type Retired, type Snapshot, type Subnet, subnetsOf } from '@portolan/model';

/** How much of a pool is in use. `used` is the sum of `by`; what is in use outside of the range is not counted. */
export interface PoolUsage {
  readonly pool: 'subnets' | 'addresses' | 'marks' | 'vnis' | 'ports';
  /** Of addresses the name of the network, of ports the protocol; '' otherwise. */
  readonly name: string;
  /** Of addresses. */
  readonly networkId: Id | null;
  readonly range: string;
  /** Values in the range; of subnets: how many of the length to allocate fit into the pools. */
  readonly size: number;
  readonly used: number;
  readonly retired: number;
  readonly free: number;
  /** How many are used as what. */
  readonly by: Readonly<Record<string, number>>;
}

/** The usage of each pool, in time proportional to the size of the snapshot: subnets, VNIs, marks, ports by protocol, addresses by network. */
export function poolUsage(snapshot: Snapshot): readonly PoolUsage[] {
  const { settings } = snapshot.cluster;
  const retired = countRetired(snapshot);
  return [
    subnetUsage(snapshot),
    numbers(
      { pool: 'vnis', name: '', range: settings.vniRange, retired: retired.vni },
      [...snapshot.networks.values()].flatMap((network) => subnetsOf(network).map(({ vni }) => ['network', vni] as const)),
      ['network'],
    ),
    numbers({ pool: 'marks', name: '', range: settings.markRange, retired: retired.mark }, marksOf(snapshot), ['vip', 'local']),
    ...protocols.map((protocol) =>
      numbers({ pool: 'ports', name: protocol, range: settings.dynamicPortRange, retired: [] }, publishedPorts(snapshot, protocol), ['ingress', 'host']),
    ),
    ...addressUsage(snapshot, retired.addresses),
  ];
}

interface RetiredValues {
  readonly mark: readonly number[];
  readonly vni: readonly number[];
  readonly addresses: ReadonlyMap<Id, readonly number[]>;
}

function countRetired({ retired }: Snapshot): RetiredValues {
  const numbersOf = (pool: Retired['pool']): readonly number[] => retired.filter((entry) => entry.pool === pool).map((entry) => Number(entry.value));
  const addresses = new Map<Id, number[]>();
  for (const { pool, networkId, value } of retired) {
    if (pool !== 'address' || networkId === null) continue;
    const ofNetwork = addresses.get(networkId);
    if (ofNetwork === undefined) addresses.set(networkId, [ipv4Value(value) ?? Number.NaN]);
    else ofNetwork.push(ipv4Value(value) ?? Number.NaN);
  }
  return { mark: numbersOf('mark'), vni: numbersOf('vni'), addresses };
}

function marksOf({ services }: Snapshot): readonly (readonly [role: string, mark: number])[] {
  const marks: (readonly [string, number])[] = [];
  for (const { networks } of services.values()) {
    for (const { mark, localMark } of networks) {
      if (mark !== null) marks.push(['vip', mark]);
      if (localMark !== null) marks.push(['local', localMark]);
    }
  }
  return marks;
}

/** Several services may have one port of mode `host`: it counts once. */
function publishedPorts({ services }: Snapshot, protocol: (typeof protocols)[number]): readonly (readonly [role: string, port: number])[] {
  const ports = new Map<number, string>();
  for (const service of services.values()) for (const port of service.ports) if (port.protocol === protocol) ports.set(port.published, port.mode);
  return [...ports].map(([port, mode]) => [mode, port] as const);
}

type Numbers = Pick<PoolUsage, 'pool' | 'name'> & { readonly range: readonly [number, number]; readonly retired: readonly number[] };

function numbers(
  { pool, name, range: [first, last], retired }: Numbers,
  values: readonly (readonly [role: string, value: number])[],
  roles: readonly string[],
): PoolUsage {
  const within = (value: number): boolean => value >= first && value <= last;
  const by = counts(
    roles,
    values.filter(([, value]) => within(value)).map(([role]) => role),
  );
  const sizes = { size: Math.max(0, last - first + 1), retired: retired.filter(within).length };
  return { pool, name, networkId: null, range: `${first}-${last}`, ...rest(sizes, by) };
}

function addressUsage(snapshot: Snapshot, retired: RetiredValues['addresses']): readonly PoolUsage[] {
  const roles = ['gateway', 'vip', 'load-balancer', 'endpoint'];
  const used = new Map<Id, string[]>();
  const count = (networkId: Id, role: string): void => {
    used.get(networkId)?.push(role);
  };
  for (const network of snapshot.networks.values())
    used.set(
      network.id,
      subnetsOf(network).map(() => 'gateway'),
    );
  for (const { networks } of snapshot.services.values()) for (const { networkId, address } of networks) if (address !== null) count(networkId, 'vip');
  for (const { loadBalancers } of snapshot.nodes.values()) for (const { networkId } of loadBalancers) count(networkId, 'load-balancer');
  for (const { addresses } of snapshot.endpoints.values()) for (const { networkId } of addresses) count(networkId, 'endpoint');
  return [...snapshot.networks.values()].map((network) => {
    const subnets = subnetsOf(network).map(({ subnet }) => parseCidr(subnet));
    const gone = retired.get(network.id)?.filter((value) => subnets.some(({ first, last }) => value > first && value < last)) ?? [];
    const sizes = { size: subnets.reduce((sum, { first, last }) => sum + Math.max(0, last - first - 1), 0), retired: gone.length };
    return { pool: 'addresses', name: network.name, networkId: network.id, range: rangeOf(network), ...rest(sizes, counts(roles, used.get(network.id) ?? [])) };
  });
}

function rangeOf(network: Network): string {
  return subnetsOf(network)
    .map(({ subnet }) => subnet)
    .join(', ');
}

/** Counted in subnets of the length to allocate: one is used when a network, a host, the gateway subnet or the flannel network has any of it. */
function subnetUsage({ cluster, networks, nodes, flannel }: Snapshot): PoolUsage {
  const { addressPools, subnetPrefixLength, gatewaySubnet } = cluster.settings;
  const taken = [...networks.values()].flatMap((network) => subnetsOf(network).map(({ subnet }) => parseCidr(subnet)));
  const hosts = [...nodes.values()]
    .map(({ address }) => ipv4Value(address) ?? Number.NaN)
    .map((value): Subnet => ({ first: value, last: value, prefixLength: 32 }));
  const others = [gatewaySubnet, ...(flannel === null ? [] : [flannel.network])].map((cidr) => parseCidr(cidr));
  const pools = addressPools.map((pool) => parseCidr(pool));
  const network = pools.reduce((sum, pool) => sum + slotsIn(pool, subnetPrefixLength, taken), 0);
  const all = pools.reduce((sum, pool) => sum + slotsIn(pool, subnetPrefixLength, [...taken, ...hosts, ...others]), 0);
  const size = pools.reduce((sum, pool) => sum + slotsIn(pool, subnetPrefixLength, [pool]), 0);
  const range = `${addressPools.join(', ')} as /${subnetPrefixLength}`;
  return { pool: 'subnets', name: '', networkId: null, range, ...rest({ size, retired: 0 }, { network, reserved: all - network }) };
}

/** How many whole subnets of that length in the pool overlap one of `taken`. */
function slotsIn(pool: Subnet, prefixLength: number, taken: readonly Subnet[]): number {
  const size = 2 ** (32 - prefixLength);
  const lastSlot = Math.floor((pool.last - pool.first + 1) / size) - 1;
  let counted = 0;
  let next = 0;
  for (const { first, last } of [...taken].sort((a, b) => a.first - b.first)) {
    if (!(last >= pool.first && first <= pool.last)) continue;
    const from = Math.max(next, Math.floor((Math.max(first, pool.first) - pool.first) / size));
    const to = Math.min(lastSlot, Math.floor((Math.min(last, pool.last) - pool.first) / size));
    counted += Math.max(0, to - from + 1);
    next = Math.max(next, to + 1);
  }
  return counted;
}

function counts(roles: readonly string[], used: readonly string[]): Readonly<Record<string, number>> {
  const by = new Map(roles.map((role) => [role, 0]));
  for (const role of used) by.set(role, (by.get(role) ?? 0) + 1);
  return Object.fromEntries(by);
}

function rest(
  { size, retired }: { readonly size: number; readonly retired: number },
  by: PoolUsage['by'],
): Pick<PoolUsage, 'size' | 'used' | 'retired' | 'free' | 'by'> {
  const used = Object.values(by).reduce((sum, count) => sum + count, 0);
  return { size, used, retired, free: Math.max(0, size - used - retired), by };
}
