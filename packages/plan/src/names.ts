import type { Ipv4 } from '@portolan/model';
import { bodyHash, type DnsNameBody } from '@portolan/node-state';
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
