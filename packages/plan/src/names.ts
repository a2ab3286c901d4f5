import type { Ipv4 } from '@portolan/model';
import { bodyHash, type DnsNameBody, type ObjectKind } from '@portolan/node-state';
import type { Step } from './plan.js';

/**
 * What a name must have lost before anything else changes, so that nobody is sent where the node soon leads nowhere: the
 * addresses that it keeps. Undefined when it loses none. Of a list that keeps none but gets others nothing is lost so
 * early, for no answer is no better than an old one: it changes at once, when the way to the new is made and the way to the old is still there.
 */
export function narrowedName(step: Step): DnsNameBody | undefined {
  if (step.action !== 'replace') return undefined;
  const { body: before } = step.observed;
  const { body: after } = step.object;
  if (before?.kind !== 'dns-name' || after.kind !== 'dns-name') return undefined;
  const addresses = keptOf(before.addresses, after.addresses);
  const own = before.own && { ...before.own, addresses: keptOf(before.own.addresses, (after.own ?? after).addresses) };
  const loses = addresses.length < before.addresses.length || (own !== undefined && own.addresses.length < (before.own?.addresses.length ?? 0));
  return loses ? { ...before, addresses, ...(own === undefined ? {} : { own }) } : undefined;
}

function keptOf(before: readonly Ipv4[], after: readonly Ipv4[]): readonly Ipv4[] {
  const wanted = new Set(after);
  const kept = before.filter((address) => wanted.has(address));
  return kept.length === 0 && after.length > 0 ? before : kept;
}

/** Whether a name is what it is to be as soon as it has lost what it is to lose. */
export function onlyLoses(step: Step): boolean {
  const narrowed = narrowedName(step);
  return narrowed !== undefined && step.action === 'replace' && bodyHash(narrowed) === step.object.hash;
}

function addressesOf({ addresses, own }: DnsNameBody): readonly Ipv4[] {
  return [...addresses, ...(own?.addresses ?? [])];
}

/** Addresses that a name leads to until it is made to lead elsewhere altogether. */
function leftBy(step: Step): readonly Ipv4[] {
  if (step.action !== 'replace' || step.object.body.kind !== 'dns-name') return [];
  const meanwhile = narrowedName(step) ?? step.observed.body;
  if (meanwhile?.kind !== 'dns-name') return [];
  const after = new Set(addressesOf(step.object.body));
  return addressesOf(meanwhile).filter((address) => !after.has(address));
}

const wayKinds: ReadonlySet<ObjectKind> = new Set(['mark', 'source-kept', 'virtual-server']);
const BALANCED = /^mark\/.*\/input\/([^/]+)$/;

/**
 * Keys of what leads from a VIP to its real servers and is to go, but only when the names are made: some name leads there until then. A rule is
 * not parsed, so it is not known which virtual server is that of the VIP, and all that go in its namespace wait; nobody asks for the others.
 */
export function waysOfNames(steps: readonly Step[]): ReadonlySet<string> {
  const left = new Set(steps.flatMap(leftBy));
  if (left.size === 0) return left;
  const going = steps.flatMap((step) => (step.action === 'delete' && wayKinds.has(step.observed.kind) ? [step.observed] : []));
  const spaces = new Set(going.flatMap(({ key, space }) => (left.has(BALANCED.exec(key)?.[1] ?? '') ? [space] : [])));
  return new Set(going.flatMap(({ key, space }) => (spaces.has(space) ? [key] : [])));
}
