import type { Flannel, FlannelLease } from './flannel.js';
import { isSameHealthCheck } from './health.js';
import type { Ipv4 } from './ipv4.js';
import type { Attachment, Id } from './nouns.js';
import type { Drain, Endpoint, EndpointFlannel, Node, Snapshot } from './snapshot.js';

/**
 * The intent of `base`, an earlier revision, with what agents observed until `now`. A rollout that has not come to a node yet holds it
 * there: what was wanted stays, what is true goes on.
 *
 * What only one of the two has: what is new in `now` is not in it; what is gone stays, but nobody looks for its namespace any more, so it is
 * sent nothing. Where `now` has forgotten what was seen, because an address, an attachment or a health check is another one, what was seen before
 * counts, for it was seen of what is held. `base` itself when nothing differs, and its objects where nothing of them does.
 */
export function heldSnapshot(base: Snapshot, now: Snapshot): Snapshot {
  if (base === now) return base;
  const nodes = eachHeld(base.nodes, now.nodes, heldNode);
  const pods = heldPods(base, now);
  const endpoints = eachHeld(base.endpoints, now.endpoints, (was, is) =>
    is === undefined ? unseen(was) : heldEndpoint(was, is, { pods, isProbedAlike: isProbedAlike(base, now, was, is) }),
  );
  const flannelLeases = heldLeases(base, now);
  const same = nodes === base.nodes && endpoints === base.endpoints && flannelLeases === base.flannelLeases;
  return same && now.retired === base.retired ? base : { ...base, nodes, endpoints, retired: now.retired, flannelLeases };
}

/** `held` answers with its first argument when nothing differs. */
function eachHeld<T extends { readonly id: Id }>(
  base: ReadonlyMap<Id, T>,
  now: ReadonlyMap<Id, T>,
  held: (was: T, is: T | undefined) => T,
): ReadonlyMap<Id, T> {
  if (base === now) return base;
  let after: Map<Id, T> | undefined;
  for (const [id, was] of base) {
    const is = now.get(id);
    const own = was === is ? was : held(was, is);
    if (own === was) continue;
    after ??= new Map(base);
    after.set(id, own);
  }
  return after ?? base;
}

function heldNode(was: Node, is: Node | undefined): Node {
  if (is === undefined) return was;
  const condition = is.condition === 'unknown' ? was.condition : is.condition;
  const { underlayMtu, underlayLink, onLink } = is.underlayMtu === null && is.underlayLink === null ? was : is;
  const sameLinks = onLink.length === was.onLink.length && onLink.every((subnet, i) => subnet === was.onLink[i]);
  const same = condition === was.condition && underlayMtu === was.underlayMtu && underlayLink === was.underlayLink && sameLinks;
  return same ? was : { ...was, condition, underlayMtu, underlayLink, onLink: sameLinks ? was.onLink : onLink };
}

function unseen(was: Endpoint): Endpoint {
  return was.presence === 'unknown' && was.health === 'unknown' ? was : { ...was, presence: 'unknown', health: 'unknown' };
}

interface Held {
  readonly pods: PodAddresses;
  /** Else an unknown health in `now` says nothing of what is held. */
  readonly isProbedAlike: boolean;
}

function heldEndpoint(was: Endpoint, is: Endpoint, { pods, isProbedAlike: alike }: Held): Endpoint {
  // Once it was seen it is unknown only because another attachment was written.
  const presence = is.presence === 'unknown' ? was.presence : is.presence;
  const health = is.health === 'unknown' && !alike && presence === 'present' ? was.health : is.health;
  const drain = heldDrain(was.drain, is.drain);
  const flannel = pods(was, is);
  const same = presence === was.presence && health === was.health && drain === was.drain && flannel === was.flannel;
  return same ? was : { ...was, presence, health, drain, flannel };
}

function isProbedAlike(base: Snapshot, now: Snapshot, was: Endpoint, is: Endpoint): boolean {
  const checkOf = ({ services }: Snapshot, { serviceId }: Endpoint) => (serviceId === null ? undefined : services.get(serviceId))?.healthCheck ?? null;
  return isSameAttachment(was.attachment, is.attachment) && isSameHealthCheck(checkOf(base, was), checkOf(now, is));
}

function isSameAttachment(a: Attachment, b: Attachment): boolean {
  const [x] = Object.entries(a);
  const [y] = Object.entries(b);
  return x?.[0] === y?.[0] && x?.[1] === y?.[1];
}

/** Only whether it has come to its end: when, and what then, was wanted. */
function heldDrain(was: Drain | null, is: Drain | null): Drain | null {
  if (was === null || is === null || was.revision !== is.revision || was.drained === is.drained) return was;
  return { ...was, drained: is.drained };
}

/** Leases of one registry; none are read where there is no flannel network, and those that were stay where there is none any more. */
function heldLeases(base: Snapshot, now: Snapshot): ReadonlyMap<string, FlannelLease> {
  return isSameRegistry(base.flannel, now.flannel) ? now.flannelLeases : base.flannelLeases;
}

function isSameRegistry(was: Flannel | null, is: Flannel | null): boolean {
  return was !== null && is !== null && was.prefix === is.prefix;
}

type PodAddresses = (was: Endpoint, is: Endpoint) => EndpointFlannel | null;

/** Addresses that nobody chose follow the leases, unless another endpoint has the address by the intent that is held. */
function heldPods(base: Snapshot, now: Snapshot): PodAddresses {
  if (!isSameRegistry(base.flannel, now.flannel)) return ({ flannel }) => flannel;
  let taken: ReadonlySet<Ipv4> | undefined;
  return ({ flannel: was }, { flannel: is }) => {
    if (was === null || is === null || was.fixed || is.fixed || was.address === is.address) return was;
    taken ??= new Set([...base.endpoints.values()].flatMap(({ flannel }) => flannel?.address ?? []));
    return is.address !== null && taken.has(is.address) ? was : is;
  };
}
