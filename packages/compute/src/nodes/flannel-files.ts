import { type Flannel, formatCidr, formatIpv4 } from '@portolan/model';
import type { FileBody } from '@portolan/node-state';
import type { FlannelHost } from '../flannel-roster.js';
import { POD_BRIDGE } from '../names.js';

/** Where Docker's start script and the CNI plugin `flannel` look, byte for byte as flanneld writes it (pkg/subnet WriteSubnetFile). */
export function subnetFile({ flannel, own, pods, mtu }: Pick<FlannelHost, 'flannel' | 'own' | 'pods' | 'mtu'>): FileBody {
  const content = [
    `FLANNEL_NETWORK=${flannel.network}`,
    `FLANNEL_SUBNET=${formatIpv4(pods.gateway)}/${own.range.prefixLength}`,
    `FLANNEL_MTU=${mtu}`,
    `FLANNEL_IPMASQ=${flannel.masquerade}`,
    '',
  ].join('\n');
  return { kind: 'file', path: '/run/flannel/subnet.env', content };
}

/**
 * The list that flannel's manifests ship, with what their plugin `flannel` would delegate to: the plugin is not needed, and what
 * is in the list cannot be older than the subnet. host-local gives the addresses of the lower half of the subnet; none where
 * that has no room for one, as in a /30.
 */
export function cniFile({ flannel, own, pods, mtu }: Pick<FlannelHost, 'flannel' | 'own' | 'pods' | 'mtu'>): FileBody | undefined {
  const [start, end] = [pods.first, pods.given - 1];
  if (start > end) return undefined;
  const list = {
    name: 'cbr0',
    cniVersion: '0.3.1',
    plugins: [bridgePlugin(flannel, { subnet: formatCidr(own.range), rangeStart: formatIpv4(start), rangeEnd: formatIpv4(end) }, mtu), portmapPlugin],
  };
  return { kind: 'file', path: '/etc/cni/net.d/10-flannel.conflist', content: `${JSON.stringify(list, null, 2)}\n` };
}

function bridgePlugin({ network, masquerade }: Flannel, range: Readonly<Record<string, string>>, mtu: number) {
  return {
    type: 'bridge',
    bridge: POD_BRIDGE,
    mtu,
    ipMasq: !masquerade,
    isGateway: true,
    isDefaultGateway: true,
    hairpinMode: true,
    ipam: { type: 'host-local', ranges: [[range]], routes: [{ dst: network }] },
  };
}

const portmapPlugin = { type: 'portmap', capabilities: { portMappings: true } };
