import { type Cidr, formatCidr, type Ipv4, type Network, parseCidr, type Subnet } from '@portolan/model';
import type { Holder } from './book.js';
import type { NetworkDraft } from './drafts.js';
import { exhaustedMessage } from './faults.js';
import { capacityOf, firstFreeSubnet, hostSubnet, SubnetMap } from './subnets.js';
import type { Work } from './work.js';

/** A subnet that a network names; `place` is the position of one that is not the first. */
interface Named {
  readonly network: NetworkDraft;
  readonly cidr: Cidr;
  readonly place: number | undefined;
}

/** Claims the subnets that are pinned, then fills those that are not: never over another network, a host, the gateway subnet or the flannel network. */
export function fillSubnets(work: Work): void {
  const changed = changedNetworks(work);
  const isKept = ({ network, cidr }: Named): boolean => keptSubnets(work.base.networks.get(network.id)).includes(cidr);
  if (changed.every((network) => network.subnet !== null && namedSubnets(network).every(isKept))) return;

  const used = new SubnetMap<Holder>();
  // What stays first, so that a fault names the network that is new.
  const pinned = work.allNetworks().flatMap(namedSubnets);
  for (const { network, cidr, place } of [...pinned.filter(isKept), ...pinned.filter((named) => !isKept(named))]) {
    const other = used.add(parseCidr(cidr), { kind: 'network', id: network.id, name: network.name });
    if (other === undefined) continue;
    const owner = other.owner.id === network.id ? 'this network' : `the network "${other.owner.name}"`;
    work.fault({
      code: 'subnet-overlap',
      subject: { kind: 'network', id: network.id },
      field: 'subnet',
      place,
      message: `${cidr} overlaps ${formatCidr(other)} of ${owner}`,
    });
  }

  const { addressPools, subnetPrefixLength, gatewaySubnet } = work.settings;
  const reserved = new SubnetMap<null>();
  reserved.add(parseCidr(gatewaySubnet), null);
  if (work.flannel !== null) reserved.add(parseCidr(work.flannel.network), null);
  for (const node of work.allNodes()) reserved.add(hostSubnet(node.address), null);

  const cursors = new Map<Cidr, number>();
  for (const network of ingressFirst(changed)) {
    if (network.subnet !== null) continue;
    const subnet = firstFreeSubnet(addressPools, subnetPrefixLength, [used, reserved], cursors);
    if (subnet === undefined) {
      const holders = addressPools.flatMap((pool) => used.within(parseCidr(pool))).map((u) => u.owner);
      const inTheWay = addressPools.flatMap((pool) => reserved.within(parseCidr(pool)));
      work.fault({
        code: 'pool-exhausted',
        subject: { kind: 'network', id: network.id },
        field: 'subnet',
        place: undefined,
        message: exhaustedMessage({
          pool: `the address space ${addressPools.join(', ')}`,
          size: capacityOf(addressPools, subnetPrefixLength),
          unit: [`subnet of /${subnetPrefixLength}`, `subnets of /${subnetPrefixLength}`],
          uses: [...holders.map(() => 'network' as const), ...inTheWay.map(() => 'reserved' as const)],
          retired: 0,
          holders,
        }),
      });
      return;
    }
    used.add(subnet, { kind: 'network', id: network.id, name: network.name });
    work.networks.set(network.id, { ...network, subnet: formatCidr(subnet) });
  }
}

/** Gateways and VNIs that are not pinned. */
export function fillNetworks(work: Work): void {
  for (const network of ingressFirst(changedNetworks(work))) {
    if (isComplete(network)) continue;
    const holder: Holder = { kind: 'network', id: network.id, name: network.name };
    const [firstSubnet, ...subnets] = work.subnetsOf(network.id);
    const gateway = network.gateway ?? gatewayIn(work, holder, firstSubnet, undefined);
    const vni = network.vni ?? freeVni(work, holder, undefined);
    const extraSubnets = network.extraSubnets.map((extra, place) => ({
      ...extra,
      gateway: extra.gateway ?? gatewayIn(work, holder, subnets[place], place),
      vni: extra.vni ?? freeVni(work, holder, place),
    }));
    if (work.faults.length > 0) return;
    work.networks.set(network.id, { ...network, gateway, vni, extraSubnets });
  }
}

function gatewayIn(work: Work, holder: Holder, subnet: Subnet | undefined, place: number | undefined): Ipv4 | null {
  const addresses = work.ledger.addressesOf(holder.id);
  const gateway = subnet === undefined ? undefined : addresses.firstFree(subnet.first + 1, subnet.last - 1);
  if (gateway === undefined) {
    work.exhausted(holder, 'gateway', holder.id, subnet === undefined ? [] : [subnet], place);
    return null;
  }
  addresses.claim(gateway, holder);
  return gateway;
}

function freeVni(work: Work, holder: Holder, place: number | undefined): number | null {
  const { vnis } = work.ledger;
  const [first, last] = work.settings.vniRange;
  const vni = vnis.firstFree(first, last);
  if (vni !== undefined) {
    vnis.claim(vni, holder);
    return vni;
  }
  const holders = [...vnis.heldWithin(first, last)].map(([, network]) => network);
  work.fault({
    code: 'pool-exhausted',
    subject: holder,
    field: 'vni',
    place,
    message: exhaustedMessage({
      pool: `the VNI range ${first}-${last}`,
      size: last - first + 1,
      unit: ['VNI', 'VNIs'],
      uses: holders.map(() => 'network'),
      retired: vnis.retiredWithin(first, last),
      holders,
    }),
  });
  return null;
}

function namedSubnets(network: NetworkDraft): readonly Named[] {
  const extra = network.extraSubnets.map(({ subnet }, place) => ({ network, cidr: subnet, place }));
  return network.subnet === null ? extra : [{ network, cidr: network.subnet, place: undefined }, ...extra];
}

function keptSubnets(network: Network | undefined): readonly Cidr[] {
  return network === undefined ? [] : [network.subnet, ...network.extraSubnets.map((extra) => extra.subnet)];
}

function changedNetworks(work: Work): readonly NetworkDraft[] {
  return [...work.networks.values()].filter((network) => network !== null);
}

/** The ingress network normally gets the first VNI, as Swarm's does. */
function ingressFirst(networks: readonly NetworkDraft[]): readonly NetworkDraft[] {
  return [...networks.filter((network) => network.ingress), ...networks.filter((network) => !network.ingress)];
}

/** A network without holes. */
export function isComplete(network: NetworkDraft): network is Network & NetworkDraft {
  return (
    network.vni !== null &&
    network.subnet !== null &&
    network.gateway !== null &&
    network.extraSubnets.every(({ vni, gateway }) => vni !== null && gateway !== null)
  );
}
