import { isHostAddress, type NounKind, parseIpv4, type Retired } from '@portolan/model';
import type { Claims, Holder } from './book.js';
import { visitClaims } from './claims.js';
import type { Drafts } from './drafts.js';
import { type AllocationFault, type ClaimField, nouns, type Place, takenFault } from './faults.js';
import { mayHaveAgain } from './retired.js';
import { eachDraft, type Work } from './work.js';

/** Releases, and retires, what deleted objects had and what changed objects do not keep. */
export function releaseValues(work: Work): void {
  for (const [id, draft] of work.networks) releaseOf(work, 'network', work.base.networks.get(id), draft);
  for (const [id, draft] of work.nodes) releaseOf(work, 'node', work.base.nodes.get(id), draft);
  for (const [id, draft] of work.services) releaseOf(work, 'service', work.base.services.get(id), draft);
  for (const [id, draft] of work.endpoints) releaseOf(work, 'endpoint', work.base.endpoints.get(id), draft);
  // The addresses of a network that goes mean nothing without its VNI, which is retired.
  if (![...work.networks.values()].includes(null)) return;
  for (const entry of work.base.retired) if (isOfDeleted(work, entry.networkId)) work.revive(entry);
}

function isOfDeleted(work: Work, networkId: Retired['networkId']): boolean {
  return networkId !== null && work.networks.get(networkId) === null;
}

function releaseOf<K extends NounKind>(work: Work, kind: K, before: Drafts[K] | undefined, draft: Drafts[K] | null): void {
  if (before === undefined || before === draft) return;
  const kept: (readonly [claims: unknown, key: unknown])[] = [];
  if (draft !== null) visitClaims(work.ledger, kind, draft, (claims, key) => kept.push([claims, key]));
  const holder = retiredHolder(work, { kind, id: before.id, name: before.name }, 'before');
  visitClaims(work.ledger, kind, before, (claims, key, { kind: holderKind, id, name }) => {
    if (kept.some(([keptClaims, keptKey]) => keptClaims === claims && keptKey === key)) return;
    claims.release(key, { kind: holderKind, id, name });
    if (claims.retired !== null && !isOfDeleted(work, claims.retired.kind.networkId)) work.retire(claims, key, holder);
  });
}

/** Who had a value, or who wants it. */
function retiredHolder(work: Work, { kind, id, name }: Holder, when: 'before' | 'after'): Retired['holder'] {
  const endpoint = kind !== 'endpoint' ? undefined : when === 'before' ? work.base.endpoints.get(id) : work.endpoint(id);
  return { kind, name, serviceId: endpoint?.serviceId ?? null };
}

/** Claims what the drafts know already: what they kept, which is held, and what is pinned, which may be taken or retired. */
export function claimValues(work: Work): void {
  eachDraft(work, (kind, draft) => {
    if (work.full) return;
    const own: (readonly [claims: unknown, key: unknown])[] = [];
    visitClaims(work.ledger, kind, draft, (claims, key, holder, field, place) => {
      const twice = own.some(([otherClaims, otherKey]) => otherClaims === claims && otherKey === key);
      own.push([claims, key]);
      const taken = twice ? takenFault(holder, field, place, key, holder) : claimFault(work, claims, key, holder, field, place);
      const fault = taken ?? outsideFault(work, key, holder, field, place);
      if (fault !== undefined) work.fault(fault);
    });
  });
}

function claimFault<Key extends string | number>(
  work: Work,
  claims: Claims<Key>,
  key: Key,
  holder: Holder,
  field: ClaimField,
  place: Place,
): AllocationFault | undefined {
  const other = claims.claim(key, holder);
  if (other !== undefined) return takenFault(holder, field, place, key, other);
  const retired = claims.retired?.at(key);
  if (retired === undefined) return undefined;
  if (mayHaveAgain(retired, retiredHolder(work, holder, 'after'))) {
    work.revive(retired);
    return undefined;
  }
  const { holder: former, revision } = retired;
  const message = `${nouns[field]} ${key} was the ${former.kind} "${former.name}"'s until revision ${revision}, which not every node has applied yet`;
  return { code: 'still-held', subject: holder, field, place, message };
}

/** Addresses are inside a subnet of their network, VIPs and load balancers in its first, gateways in their own. */
function outsideFault(work: Work, key: string | number, holder: Holder, field: ClaimField, place: Place): AllocationFault | undefined {
  if (typeof key !== 'string' || (field !== 'gateway' && typeof place !== 'string')) return undefined;
  const networkId = typeof place === 'string' ? place : holder.id;
  const all = work.subnetsOf(networkId);
  if (all.length === 0) return undefined;
  const first = field === 'gateway' && typeof place === 'number' ? place + 1 : 0;
  const subnets = field === 'address' ? all : all.slice(first, first + 1);
  const address = parseIpv4(key);
  if (subnets.some((subnet) => isHostAddress(subnet, address))) return undefined;
  const network = work.network(networkId);
  const texts = [network?.subnet, ...(network?.extraSubnets.map((extra) => extra.subnet) ?? [])];
  const shown = field === 'address' ? texts.join(', ') : texts[first];
  const message = `${key} is not a host address of the network "${network?.name}", ${shown}`;
  return { code: 'address-outside-network', subject: holder, field, place, message };
}
