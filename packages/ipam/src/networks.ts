import { type Cidr, formatCidr, type Network, parseCidr } from '@portolan/model';
import type { Holder } from './book.js';
import type { NetworkDraft } from './drafts.js';
import { listNames } from './faults.js';
import { capacityOf, firstFreeSubnet, hostSubnet, SubnetMap } from './subnets.js';
import type { Work } from './work.js';

/** Claims the subnets that are pinned, then fills those that are not: never over another network, a host or the gateway subnet. */
export function fillSubnets(work: Work): void {
  const changed = changedNetworks(work);
  if (changed.every((network) => network.subnet !== null && work.base.networks.get(network.id)?.subnet === network.subnet)) return;

  const used = new SubnetMap<Holder>();
  // What stays first, so that a fault names the network that is new.
  const pinned = work.allNetworks().filter((network) => network.subnet !== null);
  const isKept = (network: NetworkDraft): boolean => work.base.networks.get(network.id)?.subnet === network.subnet;
  for (const network of [...pinned.filter(isKept), ...pinned.filter((n) => !isKept(n))]) {
    const subnet = work.subnetOf(network.id);
    const other = subnet === undefined ? undefined : used.add(subnet, { kind: 'network', id: network.id, name: network.name });
    if (other === undefined) continue;
    work.fault({
      code: 'subnet-overlap',
      subject: { kind: 'network', id: network.id },
      field: 'subnet',
      place: undefined,
      message: `${network.subnet} overlaps ${formatCidr(other)} of the network "${other.owner.name}"`,
    });
  }

  const { addressPools, subnetPrefixLength, gatewaySubnet } = work.settings;
  const reserved = new SubnetMap<null>();
  reserved.add(parseCidr(gatewaySubnet), null);
  for (const node of work.allNodes()) reserved.add(hostSubnet(node.address), null);

  const cursors = new Map<Cidr, number>();
  for (const network of ingressFirst(changed)) {
    if (network.subnet !== null) continue;
    const subnet = firstFreeSubnet(addressPools, subnetPrefixLength, [used, reserved], cursors);
    if (subnet === undefined) {
      const holders = addressPools.flatMap((pool) => used.within(parseCidr(pool))).map((u) => u.owner);
      work.fault({
        code: 'pool-exhausted',
        subject: { kind: 'network', id: network.id },
        field: 'subnet',
        place: undefined,
        message: `the address pools ${addressPools.join(', ')} (${capacityOf(addressPools, subnetPrefixLength)} subnets of /${subnetPrefixLength}) have no free subnet; ${holders.length} networks use them: ${listNames(holders)}`,
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
    if (network.vni !== null && network.gateway !== null) continue;
    const holder = { kind: 'network', id: network.id, name: network.name } as const;
    const subnet = work.subnetOf(network.id);
    const addresses = work.ledger.addressesOf(network.id);
    const gateway = network.gateway ?? (subnet === undefined ? undefined : addresses.firstFree(subnet.first + 1, subnet.last - 1));
    if (gateway === undefined) {
      work.exhausted(holder, 'gateway', network.id);
      return;
    }
    addresses.claim(gateway, holder);

    const [first, last] = work.settings.vniRange;
    const vni = network.vni ?? work.ledger.vnis.firstFree(first, last);
    if (vni === undefined) {
      const holders = [...work.ledger.vnis.holdersWithin(first, last)];
      work.fault({
        code: 'pool-exhausted',
        subject: holder,
        field: 'vni',
        place: undefined,
        message: `the VNI range ${first}-${last} (${last - first + 1}) is used up by ${holders.length} networks: ${listNames(holders)}`,
      });
      return;
    }
    work.ledger.vnis.claim(vni, holder);
    work.networks.set(network.id, { ...network, gateway, vni });
  }
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
  return network.vni !== null && network.subnet !== null && network.gateway !== null;
}
