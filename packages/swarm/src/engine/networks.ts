import { type Cidr, type Ipv4, ipv4Value } from '@portolan/model';
import type { SwarmNetwork } from '../facts.js';
import { byId } from '../order.js';
import type { Complaints, Element } from './documents.js';
import type { EngineAttachment, EngineNetwork, EngineTask } from './schemas.js';
import { firstHost, isIpv6, subnetOf } from './values.js';

/** What one node says of its networks: the objects of NODE.networks.json. */
export interface NodeNetworks {
  /** NODE of the name of the file. */
  readonly node: string;
  readonly file: string;
  readonly complaints: Complaints;
  readonly elements: readonly Element<EngineNetwork>[];
}

/** Of the bytes of an overlay's packet these are of the host: Docker's devices have 50 less. */
const DEFAULT_MTU = 1500;
const MTU = 'com.docker.network.driver.mtu';
const VNIS = 'com.docker.network.driver.overlay.vxlanid_list';

/** Overlay networks of the swarm; those of other drivers and of a single host are left out. */
export function isOverlay({ Driver, Scope }: EngineNetwork): boolean {
  return Driver === 'overlay' && Scope !== 'local';
}

/**
 * The overlay networks by what every node and every task says of them. A manager lists networks that it does not have, older ones
 * without the subnets that were allocated: so whoever says more of one is believed.
 */
export function swarmNetworks(nodes: readonly NodeNetworks[], tasks: readonly Element<EngineTask>[], taskComplaints: Complaints): readonly SwarmNetwork[] {
  const networks = new Map<string, SwarmNetwork>();
  const enter = (described: Described, path: string, complaints: Complaints): void => {
    const known = networks.get(described.id);
    if (known !== undefined && known.subnets.length > 0) return;
    const network = networkOf(described, path, complaints);
    if (known === undefined || network.subnets.length > 0) networks.set(network.id, network);
  };
  for (const { elements, complaints } of nodes) {
    for (const { value, path } of elements) if (isOverlay(value)) enter(describedByNode(value), path, complaints);
  }
  for (const { value, path } of tasks) {
    value.NetworksAttachments?.forEach((attachment, i) => {
      const described = describedByTask(attachment);
      if (described !== null) enter(described, `${path}/NetworksAttachments/${i}/Network`, taskComplaints);
    });
  }
  return [...networks.values()].sort(byId);
}

/** A network that nobody says the subnets of. */
export function withoutSubnets(networks: readonly SwarmNetwork[]): readonly SwarmNetwork[] {
  return networks.filter(({ subnets }) => subnets.length === 0);
}

interface Described extends Pick<SwarmNetwork, 'id' | 'name' | 'ingress' | 'internal' | 'attachable'> {
  readonly ipv6: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly configs: readonly { readonly Subnet?: string | null; readonly Gateway?: string | null }[];
}

function describedByNode(network: EngineNetwork): Described {
  return {
    id: network.Id,
    name: network.Name,
    ingress: network.Ingress === true,
    internal: network.Internal === true,
    attachable: network.Attachable === true,
    ipv6: network.EnableIPv6 === true,
    options: network.Options ?? {},
    configs: network.IPAM?.Config ?? [],
  };
}

/** null for the attachment to a network that is no overlay, such as `host`. */
function describedByTask({ Network }: EngineAttachment): Described | null {
  const { ID: id, Spec: spec, DriverState: state, IPAMOptions: ipam } = Network ?? {};
  const name = spec?.Name;
  if (typeof id !== 'string' || typeof name !== 'string' || state?.Name !== 'overlay') return null;
  return {
    id,
    name,
    ingress: spec?.Ingress === true,
    internal: spec?.Internal === true,
    attachable: spec?.Attachable === true,
    ipv6: spec?.IPv6Enabled === true,
    options: state.Options ?? {},
    configs: ipam?.Configs ?? [],
  };
}

function networkOf({ ipv6, options, configs, ...described }: Described, path: string, complaints: Complaints): SwarmNetwork {
  const mtu = Number(options[MTU] ?? DEFAULT_MTU);
  if (!Number.isInteger(mtu)) complaints.at(`${path}/Options`, `${MTU} "${options[MTU]}" is no number`);
  return {
    ...described,
    subnets: subnetsOf(options, configs, path, complaints),
    mtu: Number.isInteger(mtu) ? mtu : DEFAULT_MTU,
    // Their presence counts, whatever they say.
    encrypted: Object.hasOwn(options, 'encrypted'),
    dsr: Object.hasOwn(options, 'dsr'),
    ...(ipv6 || configs.some(({ Subnet }) => isIpv6(Subnet ?? '')) ? { ipv6: true } : {}),
  };
}

/** The IPv4 subnets with their VNIs, which Docker keeps in a list of their own in the same order. */
function subnetsOf(options: Described['options'], configs: Described['configs'], path: string, complaints: Complaints): SwarmNetwork['subnets'] {
  const vnis = (options[VNIS] ?? '').split(',').filter((text) => text !== '');
  const subnets = configs.flatMap(({ Subnet, Gateway }, i) => {
    const subnet = Subnet === null || Subnet === undefined || Subnet === '' ? null : subnetOf(Subnet, `${path}/IPAM/Config/${i}/Subnet`, complaints);
    return subnet === null ? [] : [{ subnet, gateway: gatewayOf(Gateway, subnet) }];
  });
  return subnets.flatMap(({ subnet, gateway }, i) => {
    const vni = Number(vnis[i]);
    if (Number.isInteger(vni) && vni >= 0 && vni <= 0xffffff) return [{ subnet, gateway, vni }];
    complaints.at(`${path}/Options`, `${VNIS} "${options[VNIS] ?? ''}" has no VNI for the subnet ${subnet}`);
    return [];
  });
}

function gatewayOf(text: string | null | undefined, subnet: Cidr): Ipv4 {
  // With a prefix length where a person wrote one.
  const address = (text ?? '').replace(/\/.*$/, '');
  return ipv4Value(address) === undefined ? firstHost(subnet) : address;
}
