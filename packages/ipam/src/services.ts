import type { Ipv4 } from '@portolan/model';
import type { Holder } from './book.js';
import type { PublishedPortDraft, VirtualIpDraft } from './drafts.js';
import { listNames } from './faults.js';
import type { Work } from './work.js';

/** VIPs, marks and published ports that are not pinned. */
export function fillServices(work: Work): void {
  for (const [id, service] of work.services) {
    if (service === null) continue;
    if (service.vips.every((vip) => vip.address !== null && vip.mark !== null) && service.ports.every((port) => port.published !== null)) continue;
    const holder: Holder = { kind: 'service', id, name: service.name };
    const vips = service.vips.map((vip) => ({ ...vip, address: vipOf(work, holder, vip), mark: markOf(work, holder, vip) }));
    const ports = service.ports.map((port, index) => ({ ...port, published: publishedOf(work, holder, port, index) }));
    if (work.faults.length > 0) return;
    work.services.set(id, { ...service, vips, ports });
  }
}

function vipOf(work: Work, holder: Holder, vip: VirtualIpDraft): Ipv4 | null {
  return vip.address ?? work.takeAddress(vip.networkId, holder, 'vip');
}

function markOf(work: Work, holder: Holder, vip: VirtualIpDraft): number | null {
  if (vip.mark !== null) return vip.mark;
  const { marks } = work.ledger;
  const [first, last] = work.settings.markRange;
  const mark = marks.firstFree(first, last);
  if (mark === undefined) {
    const holders = [...marks.holdersWithin(first, last)];
    work.fault({
      code: 'pool-exhausted',
      subject: holder,
      field: 'mark',
      place: vip.networkId,
      message: `the mark range ${first}-${last} (${last - first + 1}) is used up by VIPs of the services ${listNames(holders)}`,
    });
    return null;
  }
  marks.claim(mark, holder);
  return mark;
}

function publishedOf(work: Work, holder: Holder, port: PublishedPortDraft, index: number): number | null {
  if (port.published !== null) return port.published;
  const ports = work.ledger.ports[port.protocol];
  const [first, last] = work.settings.dynamicPortRange;
  const published = ports.firstFree(first, last);
  if (published === undefined) {
    const holders = [...ports.holdersWithin(first, last)];
    work.fault({
      code: 'pool-exhausted',
      subject: holder,
      field: 'port',
      place: index,
      message: `the dynamic port range ${first}-${last} (${last - first + 1}) of ${port.protocol} is used up by the services ${listNames(holders)}`,
    });
    return null;
  }
  ports.claim(published, holder);
  return published;
}
