import type { Id, Ipv4 } from '@portolan/model';
import { block, type Finding, type Subject } from './finding.js';
import { isInside, type View } from './view.js';

interface Own {
  readonly networkId: Id;
  readonly address: Ipv4 | null;
}

/** Each network is there and named once, and each address is inside it: in its first subnet, or in any. */
export function* addressesFit(view: View, subject: Subject, field: string, own: readonly Own[], subnets: 'first' | 'any'): Iterable<Finding> {
  for (const [i, { networkId, address }] of own.entries()) {
    const known = view.networks.get(networkId);
    if (known === undefined) {
      yield block('unknown-reference', subject, field, `there is no network with the id ${networkId}`);
      continue;
    }
    if (firstOf(own, networkId) !== i) yield block('internal', subject, field, `the network "${known.network.name}" is there twice`);
    const allowed = subnets === 'first' ? known.subnets.slice(0, 1) : known.subnets;
    if (address === null || isInside(allowed, address)) continue;
    const texts = allowed.map(({ text }) => text).join(', ');
    yield block('address-outside-network', subject, field, `${address} is not a host address of the network "${known.network.name}", ${texts}`);
  }
}

function firstOf(own: readonly Own[], networkId: Id): number {
  return own.findIndex((other) => other.networkId === networkId);
}
