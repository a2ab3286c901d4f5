import { canonicalJson, type ObjectBody, type ObservedObject, type Space } from '@portolan/node-state';

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
    case 'flannel-vtep':
    case 'udp-relay':
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
    case 'udp-relay-peer':
      return linkEnd(space, body.relay);
    case 'sysctl': {
      const [, link] = sysctlOfLink.exec(body.name) ?? [];
      return link === undefined ? undefined : linkEnd(space, link.replaceAll('/', '.'));
    }
    default:
      return undefined;
  }
}

/** `all` and `default` are no links. A dot inside the name of a link is written as a slash. */
const sysctlOfLink = /^net\.ipv[46]\.(?:conf|neigh)\.(?!(?:all|default)\.)([^.]+)\./;

export function isLink(kind: ObservedObject['kind']): boolean {
  return kind === 'bridge' || kind === 'veth' || kind === 'udp-relay' || isVtep(kind);
}

/** Links with a UDP socket: no two of one VNI and port can be there. */
export function isVtep(kind: ObservedObject['kind']): kind is 'vxlan' | 'flannel-vtep' {
  return kind === 'vxlan' || kind === 'flannel-vtep';
}

/** Rules of a packet filter: those of one namespace are written together, in one transaction. */
export function isRule(kind: ObservedObject['kind']): boolean {
  switch (kind) {
    case 'mark':
    case 'source-kept':
    case 'source-rewrite':
    case 'rule-entry':
    case 'port-redirect':
    case 'endpoint-filter':
    case 'gateway-policy':
    case 'port-forward':
    case 'pod-forward':
    case 'pod-masquerade':
    case 'dns-redirect':
      return true;
    default:
      return false;
  }
}

/** What the name server of the node holds: in no kernel, so it takes no process and can go while a namespace is absent. */
export function isName(kind: ObservedObject['kind']): boolean {
  return kind === 'dns-server' || kind === 'dns-name' || kind === 'dns-client';
}

/** True for what always has a value: nobody wanting it any more is no reason to change it. */
export function alwaysThere(kind: ObservedObject['kind']): boolean {
  return kind === 'sysctl' || kind === 'ipvs-timeouts';
}

/**
 * True when what differs can be set right where it is; a link, with all that is on it. Otherwise it is removed and made
 * anew: the VNI and port of a VTEP and the ends of a pair cannot be changed, of flannel's devices nothing but the MTU, and a damaged
 * link without a body was not even read. To the kernel an address with another length, and a route with another metric, are others, so that both would
 * be there; likewise a rule that leads to another table. A bridge or a namespace is never made anew.
 */
export function changesInPlace(observed: ObservedObject, wanted: ObjectBody): boolean {
  const { body } = observed;
  switch (wanted.kind) {
    case 'vxlan':
      return body?.kind === 'vxlan' && body.vni === wanted.vni && body.port === wanted.port;
    case 'veth':
      return body?.kind === 'veth' && body.peer.space === wanted.peer.space && body.peer.name === wanted.peer.name && body.peer.mac === wanted.peer.mac;
    case 'flannel-vtep':
    case 'udp-relay':
      return body !== undefined && canonicalJson({ ...body, mtu: wanted.mtu }) === canonicalJson(wanted);
    case 'address':
    case 'route-rule':
      return false;
    case 'route':
      return observed.hash !== '' && body?.kind === 'route' && body.metric === wanted.metric;
    default:
      return true;
  }
}
