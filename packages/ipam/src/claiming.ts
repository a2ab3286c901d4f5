import { isHostAddress, type NounKind, parseIpv4 } from '@portolan/model';
import { visitClaims } from './claims.js';
import type { Drafts } from './drafts.js';
import { takenFault } from './faults.js';
import { eachDraft, type Work } from './work.js';

/** Releases what deleted objects had, and what changed objects do not keep. */
export function releaseValues(work: Work): void {
  for (const [id, draft] of work.networks) releaseOf(work, 'network', work.base.networks.get(id), draft);
  for (const [id, draft] of work.nodes) releaseOf(work, 'node', work.base.nodes.get(id), draft);
  for (const [id, draft] of work.services) releaseOf(work, 'service', work.base.services.get(id), draft);
  for (const [id, draft] of work.endpoints) releaseOf(work, 'endpoint', work.base.endpoints.get(id), draft);
}

function releaseOf<K extends NounKind>(work: Work, kind: K, before: Drafts[K] | undefined, draft: Drafts[K] | null): void {
  if (before === undefined) return;
  const kept: (readonly [book: unknown, key: unknown])[] = [];
  if (draft !== null) visitClaims(work.ledger, kind, draft, (book, key) => kept.push([book, key]));
  visitClaims(work.ledger, kind, before, (book, key, holder) => {
    if (!kept.some(([keptBook, keptKey]) => keptBook === book && keptKey === key)) book.release(key, holder);
  });
}

/** Claims what the drafts know already: what they kept, which is held, and what is pinned, which may be taken. */
export function claimValues(work: Work): void {
  eachDraft(work, (kind, draft) => {
    if (work.full) return;
    visitClaims(work.ledger, kind, draft, (book, key, holder, field, place) => {
      const other = book.claim(key, holder);
      if (other !== undefined) {
        work.fault(takenFault(holder, field, place, key, other));
        return;
      }
      const networkId = field === 'gateway' ? draft.id : place;
      if (typeof networkId !== 'string' || typeof key !== 'string') return;
      const subnet = work.subnetOf(networkId);
      if (subnet === undefined || isHostAddress(subnet, parseIpv4(key))) return;
      const network = work.network(networkId);
      work.fault({
        code: 'address-outside-network',
        subject: holder,
        field,
        place,
        message: `${key} is not a host address of the network "${network?.name}", ${network?.subnet}`,
      });
    });
  });
}
