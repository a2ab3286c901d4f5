import type { ObjectBody, ObservedObject, Space } from '@portolan/node-state';

/** The end of a link in a namespace: `SPACE NAME`. */
export type LinkEnd = string;

export function linkEnd(space: Space, name: string): LinkEnd {
  return `${space} ${name}`;
}

/** The ends that a link has; none for what is no link. */
export function linkEnds(space: Space, body: ObjectBody): LinkEnd[] {
  switch (body.kind) {
    case 'bridge':
    case 'vxlan':
      return [linkEnd(space, body.name)];
    case 'veth':
      return [linkEnd(space, body.name), linkEnd(body.peer.space, body.peer.name)];
    default:
      return [];
  }
}

/** The end that the object is on and goes with; undefined for what is on no link. */
export function restsOn(space: Space, body: ObjectBody): LinkEnd | undefined {
  switch (body.kind) {
    case 'address':
    case 'route':
    case 'neighbour':
    case 'fdb':
      return linkEnd(space, body.link);
    default:
      return undefined;
  }
}

export function isLink(kind: ObservedObject['kind']): boolean {
  return kind === 'bridge' || kind === 'vxlan' || kind === 'veth';
}

/** Rules of a packet filter: those of one namespace are written together, in one transaction. */
export function isRule(kind: ObservedObject['kind']): boolean {
  switch (kind) {
    case 'mark':
    case 'source-rewrite':
    case 'rule-entry':
    case 'port-redirect':
    case 'endpoint-filter':
    case 'gateway-policy':
    case 'port-forward':
      return true;
    default:
      return false;
  }
}

/**
 * True when a link that differs can be set right where it is, with all that is on it. Otherwise it is removed and made
 * anew: the VNI and port of a VTEP and the ends of a pair cannot be changed, and a damaged link without a body was not
 * even read. A bridge or a namespace is never made anew.
 */
export function changesInPlace(observed: ObservedObject, wanted: ObjectBody): boolean {
  const { body } = observed;
  if (wanted.kind === 'vxlan') return body?.kind === 'vxlan' && body.vni === wanted.vni && body.port === wanted.port;
  if (wanted.kind !== 'veth') return true;
  if (body?.kind !== 'veth') return false;
  return body.peer.space === wanted.peer.space && body.peer.name === wanted.peer.name && body.peer.mac === wanted.peer.mac;
}
