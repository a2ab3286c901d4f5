import { isPodAddress } from '@portolan/flannel';
import { formatIpv4, ipv4Value, macOfIpv4 } from '@portolan/model';
import { type KernelObject, kernelObject, type Origin } from '@portolan/node-state';
import type { FlannelHost } from '../flannel-roster.js';
import { endpointHostPort, endpointSpace, POD_BRIDGE, POD_LINK } from '../names.js';
import type { Resident } from '../roster.js';

/** A container's own default route comes first, then that by the host's other bridge. */
const POD_METRIC = 4097;

/** The endpoints of one node that are on the flannel network. One whose address is not in the node's subnet could not be reached, and gets nothing. */
export function podObjects(host: FlannelHost, residents: readonly Resident[]): KernelObject[] {
  return residents.flatMap((resident) => ofPod(host, resident));
}

function ofPod({ flannel, own, pods, mtu }: FlannelHost, { endpoint, service }: Resident): KernelObject[] {
  const address = endpoint.flannel?.address ?? null;
  const via = formatIpv4(pods.gateway);
  if (address === null || !isPodAddress(pods, ipv4Value(address) ?? -1)) return [];
  const space = endpointSpace(endpoint.id);
  const origin: Origin = { computedBy: 'flannel', ...(service === null ? {} : { service: service.name }), endpoint: endpoint.name };
  const peer = { space, name: POD_LINK, mac: macOfIpv4(address) };
  return [
    kernelObject('host', { kind: 'veth', name: endpointHostPort(address), master: POD_BRIDGE, mtu, peer }, origin),
    kernelObject(space, { kind: 'address', link: POD_LINK, address, prefixLength: own.range.prefixLength }, origin),
    kernelObject(space, { kind: 'route', destination: flannel.network, via, link: POD_LINK }, origin),
    // A namespace has one default route of ours; `residentObjects` makes it of an endpoint with a way out by the gateway bridge.
    ...(endpoint.gatewayAddress === null
      ? [kernelObject(space, { kind: 'route', destination: 'default', via, link: POD_LINK, metric: POD_METRIC }, origin)]
      : []),
  ];
}
