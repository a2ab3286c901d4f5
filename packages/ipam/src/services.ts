import type { Id, Ipv4, Service, ServiceNetwork } from '@portolan/model';
import { wantsLocalMark } from './align.js';
import type { Holder } from './book.js';
import type { PublishedPortDraft, ServiceDraft } from './drafts.js';
import { exhaustedMessage, type Use } from './faults.js';
import type { Work } from './work.js';

/** VIPs, marks and published ports that are not pinned. */
export function fillServices(work: Work): void {
  for (const [id, service] of work.services) {
    if (service === null || isCompleteService(work, service)) continue;
    const holder: Holder = { kind: 'service', id, name: service.name };
    const networks = service.networks.map((network) => filledNetwork(work, service, holder, network));
    const ports = service.ports.map((port, index) => ({ ...port, published: publishedOf(work, holder, port, index) }));
    if (work.faults.length > 0) return;
    work.services.set(id, { ...service, networks, ports });
  }
}

/** A service without holes. */
export function isCompleteService(work: Work, service: ServiceDraft): service is Service & ServiceDraft {
  const complete = (network: ServiceNetwork): boolean =>
    (service.endpointMode === 'dnsrr' || (network.address !== null && network.mark !== null)) &&
    (network.localMark !== null || !needsLocalMark(work, service, network));
  return service.networks.every(complete) && service.ports.every((port) => port.published !== null);
}

function needsLocalMark(work: Work, service: ServiceDraft, { networkId }: ServiceNetwork): boolean {
  return wantsLocalMark(service, work.network(networkId)?.ingress === true);
}

function filledNetwork(work: Work, service: ServiceDraft, holder: Holder, network: ServiceNetwork): ServiceNetwork {
  if (service.endpointMode === 'dnsrr') return network;
  const address: Ipv4 | null = network.address ?? work.takeAddress(network.networkId, holder, 'vip');
  const mark = network.mark ?? freeMark(work, holder, network.networkId, 'mark');
  const localMark = needsLocalMark(work, service, network) ? (network.localMark ?? freeMark(work, holder, network.networkId, 'local-mark')) : null;
  return { ...network, address, mark, localMark };
}

function freeMark(work: Work, holder: Holder, networkId: Id, field: 'mark' | 'local-mark'): number | null {
  const { marks } = work.ledger;
  const [first, last] = work.settings.markRange;
  const mark = marks.firstFree(first, last);
  if (mark !== undefined) {
    marks.claim(mark, holder);
    return mark;
  }
  const held = [...marks.heldWithin(first, last)];
  work.fault({
    code: 'pool-exhausted',
    subject: holder,
    field,
    place: networkId,
    message: exhaustedMessage({
      pool: `the mark range ${first}-${last}`,
      size: last - first + 1,
      unit: ['mark', 'marks'],
      uses: held.map(([key, { id }]): Use => (work.service(id)?.networks.some((network) => network.localMark === key) === true ? 'local-mark' : 'mark')),
      retired: marks.retiredWithin(first, last),
      holders: held.map(([, service]) => service),
    }),
  });
  return null;
}

function publishedOf(work: Work, holder: Holder, port: PublishedPortDraft, index: number): number | null {
  if (port.published !== null) return port.published;
  const ports = work.ledger.ports[port.protocol];
  const [first, last] = work.settings.dynamicPortRange;
  const published = ports.firstFree(first, last);
  if (published !== undefined) {
    (port.mode === 'host' ? ports.host : ports).claim(published, holder);
    return published;
  }
  const ingress = [...ports.heldWithin(first, last)];
  const host = [...ports.host.heldWithin(first, last)];
  work.fault({
    code: 'pool-exhausted',
    subject: holder,
    field: 'port',
    place: index,
    message: exhaustedMessage({
      pool: `the dynamic port range ${first}-${last} of ${port.protocol}`,
      size: last - first + 1,
      unit: ['port', 'ports'],
      uses: [...ingress.map((): Use => 'ingress'), ...host.map((): Use => 'host')],
      retired: 0,
      holders: [...ingress, ...host].map(([, service]) => service),
    }),
  });
  return null;
}
