import { type PublishedPort, type Service, type ServiceNetwork, subnetOrUndefined } from '@portolan/model';
import { addressesFit } from './addresses.js';
import { block, type Finding, type Subject, subjectOf, warn } from './finding.js';
import { addressValue, type View } from './view.js';

/** Rules about one service. */
export function* serviceFindings(view: View, service: Service): Iterable<Finding> {
  const subject = subjectOf('service', service);
  yield* addressesFit(view, subject, 'networks', service.networks, 'first');
  for (const network of service.networks) yield* markFindings(view, service, network, subject);
  yield* ingressFindings(view, service, subject);
  for (const port of service.ports) yield* portFindings(view, service, port, subject);
  if (service.endpointMode === 'dnsrr' && service.persistence > 0) {
    yield block('unsupported-combination', subject, 'persistence', 'persistence is a matter of VIPs, and a service of mode dnsrr has none');
  }
  if (service.networks.length === 0) yield warn('service-without-network', subject, 'networks', 'the service is in no network');
}

/** VIP and mark are there with mode vip, the second mark with a port of policy `local` on the ingress network, and nowhere else. */
function* markFindings(view: View, service: Service, { networkId, address, mark, localMark }: ServiceNetwork, subject: Subject): Iterable<Finding> {
  const name = view.nameOf(networkId);
  const vip = service.endpointMode === 'vip';
  if (vip !== (address !== null))
    yield block('internal', subject, 'networks', `there is ${vip ? 'no' : 'a'} VIP in the network "${name}" with mode ${service.endpointMode}`);
  if (vip !== (mark !== null))
    yield block('internal', subject, 'networks', `there is ${vip ? 'no' : 'a'} mark in the network "${name}" with mode ${service.endpointMode}`);
  const local = vip && view.network(networkId)?.ingress === true && service.ports.some((port) => isIngress(port) && port.externalTrafficPolicy === 'local');
  if (local !== (localMark !== null)) {
    yield block(
      'internal',
      subject,
      'networks',
      `there is ${local ? 'no' : 'a'} mark for ports of policy local in the network "${name}", though ports ${local ? '' : 'do not '}want one`,
    );
  }
}

function* ingressFindings(view: View, service: Service, subject: Subject): Iterable<Finding> {
  const published = service.ports.some(isIngress);
  if (published && view.ingress.length === 0) yield block('ingress-missing', subject, 'ports', 'ports are published, but the cluster has no ingress network');
  if (published && service.endpointMode === 'dnsrr') {
    yield block(
      'unsupported-combination',
      subject,
      'ports',
      'a port of mode ingress is balanced by a VIP, and a service of mode dnsrr has none: publish it in mode host',
    );
  }
  for (const ingress of view.ingress) {
    const joined = service.networks.some((network) => network.networkId === ingress.id);
    if (published && !joined)
      yield block('internal', subject, 'networks', `ports are published, but the service is not in the ingress network "${ingress.name}"`);
    if (!published && joined)
      yield block('internal', subject, 'networks', `the service is in the ingress network "${ingress.name}", but no port is published there`);
  }
}

function* portFindings(view: View, service: Service, port: PublishedPort, subject: Subject): Iterable<Finding> {
  const name = `${port.published}/${port.protocol}`;
  if (port.mode === 'host' && port.externalTrafficPolicy === 'local') {
    yield block(
      'unsupported-combination',
      subject,
      'ports',
      `the port ${name} of mode host leads to the endpoint of the node anyway: leave out the policy local`,
    );
  }
  if (port.mode === 'host' && !service.networks.some(({ networkId }) => isWayOut(view, networkId))) {
    const message = `the port ${name} of mode host leads to the endpoint by its gateway address, which it has only in a network that is neither internal nor the ingress network`;
    yield block('unsupported-combination', subject, 'ports', message);
  }
  for (const address of port.addresses) {
    if (Number.isNaN(addressValue(address)) && subnetOrUndefined(address) === undefined) {
      yield block('invalid-address', subject, 'ports', `the port ${name} is published on "${address}", which is neither an IPv4 address nor a subnet`);
    }
  }
}

function isIngress(port: PublishedPort): boolean {
  return port.mode === 'ingress';
}

/** Whether endpoints reach out by the network, and so have a gateway address. */
export function isWayOut(view: View, networkId: string): boolean {
  const network = view.network(networkId);
  return network !== undefined && !network.internal && !network.ingress;
}
