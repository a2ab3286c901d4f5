import { vtepMacOf } from '@portolan/flannel';
import { completeBackend, type FlannelBackend, formatIpv4, type Mac, macOfIpv4, pathOfBackend } from '@portolan/model';
import { type KernelObject, kernelObject, type Origin } from '@portolan/node-state';
import type { FlannelHost } from '../flannel-roster.js';
import { flannelVtep, POD_BRIDGE, RELAY_LINK, sysctlPart } from '../names.js';
import { cniFile, subnetFile } from './flannel-files.js';
import { peerObjects } from './flannel-peers.js';

const origin: Origin = { computedBy: 'flannel' };

/**
 * What one node of the flannel network holds on its host: as flanneld makes it, for each backend that is held, and the bridge of its
 * containers. Forwarding itself and the jumps into our chains are `forwardingObjects`.
 */
export function flannelObjects(host: FlannelHost): KernelObject[] {
  const { flannel, own, pods, held, mtu } = host;
  const { prefixLength } = own.range;
  const { network, masquerade } = flannel;
  const gateway = formatIpv4(pods.gateway);
  const cni = flannel.cni ? cniFile(host) : undefined;
  return [
    ...[...held.values()].flatMap((backend) => receivingObjects(host, backend)),
    ...looseChecks(host),
    kernelObject('host', { kind: 'bridge', name: POD_BRIDGE, mtu, mac: macOfIpv4(gateway) }, origin),
    kernelObject('host', { kind: 'address', link: POD_BRIDGE, address: gateway, prefixLength }, origin),
    ...peerObjects(host),
    kernelObject('host', { kind: 'pod-forward', network }, origin),
    ...(masquerade ? [kernelObject('host', { kind: 'pod-masquerade', network, subnet: own.subnet }, origin)] : []),
    kernelObject('host', subnetFile(host), origin),
    ...(cni === undefined ? [] : [kernelObject('host', cni, origin)]),
  ];
}

/** The receiving side of a backend, with the node's own address. host-gw has none: packets come as they are. */
function receivingObjects(host: FlannelHost, held: FlannelBackend): KernelObject[] {
  const { flannel, node, own, underlay } = host;
  const backend = completeBackend(held);
  const name = deviceOf(backend);
  if (name === undefined || backend.type === 'host-gw') return [];
  const mtu = host.mtuOf(backend);
  const local = node.address;
  const address = kernelObject('host', { kind: 'address', link: name, address: own.base, prefixLength: 32 }, origin);
  if (backend.type === 'udp') {
    const { port } = backend;
    return [
      kernelObject('host', { kind: 'udp-relay', name, mtu, local, port, address: own.base }, origin),
      address,
      // Everything that no longer route leads elsewhere: the relay knows the peers, and answers for subnets that nobody has.
      kernelObject('host', { kind: 'route', destination: flannel.network, link: name, scope: 'global' }, origin),
    ];
  }
  const { vni, port, learning, gbp } = backend;
  const mac = ownMac(host, vni);
  return [
    kernelObject('host', { kind: 'flannel-vtep', name, vni, port, mtu, mac, local, underlay, learning, gbp }, origin),
    address,
    kernelObject('host', { kind: 'sysctl', name: `net.ipv6.conf.${sysctlPart(name)}.accept_ra`, value: '0' }, origin),
  ];
}

/** The device of a backend; undefined where it has none. */
function deviceOf(held: FlannelBackend): string | undefined {
  const backend = completeBackend(held);
  return backend.type === 'vxlan' ? flannelVtep(backend.vni) : backend.type === 'udp' ? RELAY_LINK : undefined;
}

/** That which its lease tells the others, as long as it tells one. */
function ownMac({ node, own }: FlannelHost, vni: number): Mac {
  return (own.path === pathOfBackend({ type: 'vxlan', vni }) ? own.lease.vtepMac : null) ?? vtepMacOf(node.id, vni);
}

/**
 * While a cluster changes its backend, two hosts may send to each other by different paths. A host that checks that packets come by the
 * interface that answers would leave by (rp_filter 1) must not drop them. flanneld never changes backends, and sets none of these.
 */
function looseChecks({ held, underlay }: FlannelHost): KernelObject[] {
  if (held.size === 1) return [];
  const devices = [...held.values()].flatMap((backend) => deviceOf(backend) ?? []);
  return [...devices, underlay].map((link) =>
    kernelObject('host', { kind: 'sysctl', name: `net.ipv4.conf.${sysctlPart(link)}.rp_filter`, value: '2' }, origin),
  );
}
