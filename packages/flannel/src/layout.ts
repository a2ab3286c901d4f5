import {
  type Cidr,
  type Flannel,
  formatCidr,
  formatIpv4,
  type Ipv4,
  parseCidr,
  parseIpv4,
  portolanError,
  type Subnet,
  subnetOrUndefined,
} from '@portolan/model';

/** How the network of a cluster is cut into the subnets of nodes. */
export interface FlannelLayout {
  readonly network: Subnet;
  /** Length of the prefix of each node's subnet, 3 to 30. */
  readonly subnetLen: number;
  /** Base address of the first subnet that is given. */
  readonly first: number;
  /** Base address of the last one. */
  readonly last: number;
}

/** Subnets of this length and longer have room for flanneld's device, the gateway and a pod. */
const LONGEST = 30;

/**
 * The cut that flanneld makes of the same configuration (CheckNetworkConfig): /24, or two bits more than a network smaller than /22; from
 * the second subnet to the last. Throws `invalid-subnet`, `invalid-address`, `host-bits-set`, `address-outside-network` or
 * `unsupported-combination`, naming the field below `path`.
 */
export function flannelLayout(flannel: Pick<Flannel, 'network' | 'subnetLen' | 'subnetMin' | 'subnetMax'>, path = ''): FlannelLayout {
  const network = parseCidr(flannel.network, `${path}/network`);
  const subnetLen = subnetLenOf(network, flannel.subnetLen, path);
  const size = 2 ** (32 - subnetLen);
  const first = flannel.subnetMin === null ? network.first + size : boundary(network, subnetLen, flannel.subnetMin, `${path}/subnetMin`);
  const last = flannel.subnetMax === null ? network.last + 1 - size : boundary(network, subnetLen, flannel.subnetMax, `${path}/subnetMax`);
  if (first > last) {
    const fix = 'Choose a subnetMax that is not below subnetMin.';
    throw portolanError('unsupported-combination', `${path}/subnetMax`, `${formatIpv4(last)} comes before the first subnet, ${formatIpv4(first)}`, { fix });
  }
  return { network, subnetLen, first, last };
}

function subnetLenOf(network: Subnet, given: number | null, path: string): number {
  const { prefixLength } = network;
  if (given === null) {
    if (prefixLength > LONGEST - 2) {
      throw portolanError('invalid-subnet', `${path}/network`, `${formatCidr(network)} is too small for subnets of nodes`, {
        fix: 'Choose a network of /28 or larger.',
      });
    }
    return prefixLength <= 22 ? 24 : prefixLength + 2;
  }
  if (given > LONGEST || given < prefixLength + 2) {
    throw portolanError('unsupported-combination', `${path}/subnetLen`, `a network of /${prefixLength} cannot be cut into subnets of /${given}`, {
      fix: prefixLength + 2 > LONGEST ? 'Choose a network of /28 or larger.' : `Choose a length from ${prefixLength + 2} to ${LONGEST}.`,
    });
  }
  return given;
}

function boundary(network: Subnet, subnetLen: number, address: Ipv4, path: string): number {
  const value = parseIpv4(address, path);
  if (value < network.first || value > network.last) {
    throw portolanError('address-outside-network', path, `${address} is outside ${formatCidr(network)}`, {
      fix: `Choose an address in ${formatCidr(network)}.`,
    });
  }
  const base = value - (value % 2 ** (32 - subnetLen));
  if (base !== value)
    throw portolanError('host-bits-set', path, `${address} is not the base address of a /${subnetLen}`, { fix: `Write ${formatIpv4(base)}.` });
  return value;
}

/** Whether a node of this network may have the subnet: of the right length, aligned, from the first to the last. False for anything that is no subnet. */
export function isOwnSubnet(layout: FlannelLayout, subnet: Cidr): boolean {
  const found = subnetOrUndefined(subnet);
  return found !== undefined && found.prefixLength === layout.subnetLen && found.first >= layout.first && found.first <= layout.last;
}
