import type { ExpectedNamespace } from '../expected.js';
import type { Difference } from './difference.js';
import type { Place } from './place.js';

/** A difference with the namespace that it is in. */
export interface Placed {
  readonly difference: Difference;
  readonly place: Place;
}

/** On docker_gwbridge instead of a network. */
const GATEWAY_SIDE = 'docker_gwbridge';

/**
 * Without what another fault of the node explains. A veth has two ends, which go together: the port of a bridge is told, with whose it was, and the other end is not.
 * A namespace that is missing took the ends in it along.
 */
export function withoutEchoes(all: readonly Placed[], missing: readonly ExpectedNamespace[]): readonly Placed[] {
  const ports = all.filter(({ difference, place }) => isLost(difference) && (place.expected.role === 'overlay' || place.expected.role === 'host'));
  const ends = all.filter(({ difference, place }) => isLost(difference) && place.expected.role !== 'overlay' && place.expected.role !== 'host');
  const explained = new Set<Placed>();
  const owners = new Map<Placed, Place>();
  const lostOverlays = new Set(missing.filter(({ role }) => role === 'overlay').map(({ networkId }) => networkId));
  const portOf = (side: string): Placed | undefined => ports.find((port) => !explained.has(port) && !owners.has(port) && portSide(port) === side);
  for (const end of ends) {
    const side = endSide(end);
    const port = portOf(side);
    if (lostOverlays.has(side)) explained.add(end);
    else if (port !== undefined) {
      owners.set(port, end.place);
      explained.add(end);
    }
  }
  for (const namespace of missing) {
    for (const side of sidesOf(namespace)) {
      const port = portOf(side);
      if (port !== undefined) explained.add(port);
    }
  }
  return all
    .filter((placed) => !explained.has(placed))
    .map((placed) => {
      const owner = owners.get(placed);
      return owner === undefined ? placed : { ...placed, difference: { ...placed.difference, owner: owner.expected } };
    });
}

function isLost({ kind, aspect, expected }: Difference): boolean {
  return kind === 'missing' && aspect === 'object' && expected?.kind === 'link' && expected.link.kind === 'veth';
}

function portSide({ place: { expected } }: Placed): string {
  return expected.networkId ?? GATEWAY_SIDE;
}

function endSide({ difference, place: { expected } }: Placed): string {
  const name = difference.expected?.kind === 'link' ? difference.expected.link.name : '';
  return sideOf(expected, name);
}

function sideOf({ dump, origins, networkId }: ExpectedNamespace, link: string): string {
  if (dump.routes.some((route) => route.destination === 'default' && route.link === link)) return GATEWAY_SIDE;
  return origins.get(`link/${link}`)?.networkId ?? networkId ?? GATEWAY_SIDE;
}

function sidesOf(expected: ExpectedNamespace): readonly string[] {
  if (expected.role === 'overlay') return [];
  return expected.dump.links.filter(({ name }) => name !== 'lo').map(({ name }) => sideOf(expected, name));
}
