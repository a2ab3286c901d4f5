import { type Network, VXLAN_OVERHEAD } from '@portolan/model';
import { block, type Finding, type Subject, subjectOf, warn } from './finding.js';
import { isInside, type View } from './view.js';

/** Rules about one network. */
export function* networkFindings(view: View, network: Network): Iterable<Finding> {
  const subject = subjectOf('network', network);
  for (const own of view.networks.get(network.id)?.subnets ?? []) {
    const gateway = own.field === 'subnet' ? 'gateway' : 'extraSubnets';
    if (own.subnet === undefined) yield block('invalid-subnet', subject, own.field, `"${own.text}" is not an IPv4 subnet without host bits`);
    else if (!isInside([own], own.gateway)) {
      yield block('address-outside-network', subject, gateway, `the gateway ${own.gateway} is not a host address of ${own.text}`);
    }
  }
  if (network.dsr && network.ingress) {
    yield block(
      'unsupported-combination',
      subject,
      'dsr',
      'direct server return is not possible on the ingress network, which rewrites the source of what it forwards',
    );
  }
  if (network.dsr && network.extraSubnets.length > 0) {
    yield block(
      'unsupported-combination',
      subject,
      'dsr',
      'direct server return is not possible with extraSubnets: it needs load balancer and endpoints on one bridge',
    );
  }
  yield* mtuFindings(view, network, subject);
  yield* timeoutFindings(view, network, subject);
}

function* mtuFindings(view: View, { mtu }: Network, subject: Subject): Iterable<Finding> {
  if (mtu === null || mtu <= view.underlayMtu - VXLAN_OVERHEAD) return;
  const narrow = [...view.snapshot.nodes.values()].find((node) => node.underlayMtu === view.underlayMtu);
  const reason =
    narrow === undefined || view.underlayMtu === view.snapshot.cluster.settings.underlayMtu
      ? `the setting underlayMtu is ${view.underlayMtu}`
      : `the node "${narrow.name}" reports ${view.underlayMtu} bytes for the interface with its address`;
  const message = `MTU ${mtu} is more than the ${view.underlayMtu - VXLAN_OVERHEAD} bytes that fit into a packet between the hosts (${reason}): large packets are fragmented or lost, and transfers hang`;
  yield warn('mtu-above-underlay', subject, 'mtu', message);
}

/** What Linux has unless it is told otherwise, in seconds (tcp(7), tcp_keepalive_time). */
const LINUX_KEEPALIVE = 7200;

/** Whoever connects to a VIP and says nothing for longer than IPVS remembers it finds the connection dead. */
function* timeoutFindings(view: View, network: Network, subject: Subject): Iterable<Finding> {
  const { settings } = view.snapshot.cluster;
  const { tcp } = network.ipvsTimeouts ?? settings.ipvsTimeouts;
  const keepalive = settings.tcpKeepalive === 0 ? LINUX_KEEPALIVE : settings.tcpKeepalive;
  if (tcp >= keepalive || !view.balanced.has(network.id)) return;
  const message = `IPVS forgets a TCP connection after ${tcp} s without a packet, but keep-alives come after ${keepalive} s: a client that is idle for longer sees its next request to a VIP hang or be reset`;
  yield warn('timeout-below-keepalive', subject, 'ipvsTimeouts', message);
}
