import type { ObjectBody, ObjectKind } from '@portolan/node-state';

/** cuts: connections through the object break or cannot be made for a moment; moves: new connections go another way; none: nobody notices. From the worst on. */
export const risks = ['cuts', 'moves', 'none'] as const;
export type Risk = (typeof risks)[number];

type Body<K extends ObjectKind> = Extract<ObjectBody, { kind: K }>;

/** By action. null: it does not happen to the kind, see `changesInPlace` and `alwaysThere`. */
interface RisksOf<B> {
  readonly create: Risk;
  readonly update: Risk | null | ((before: B, after: B) => Risk);
  readonly replace: Risk | null;
  readonly delete: Risk | null | ((before: B) => Risk);
}

/**
 * What each change of each kind of object does to connections, on the node where it is made. Packets that are lost while a way is made
 * anew count as a cut, though TCP may survive it.
 */
const risksByKind: { readonly [K in ObjectKind]: RisksOf<Body<K>> } = {
  // Changed where it is: its lo is set up. It takes along whatever is in it.
  namespace: { create: 'none', update: 'none', replace: null, delete: 'cuts' },
  // An MTU is set where the bridge is. With another MAC neighbours send to the old one until they ask again.
  bridge: { create: 'none', update: (before, after) => (before.mac === after.mac ? 'none' : 'cuts'), replace: null, delete: 'cuts' },
  // Another VNI or port is another device, and until its peers are entered again no packet crosses to other hosts. Put into another bridge it leaves the one that it served.
  vxlan: { create: 'none', update: (before, after) => (before.master === after.master ? 'none' : 'cuts'), replace: 'cuts', delete: 'cuts' },
  // Only an MTU is set where it is. Made anew it has lost its neighbours, forwarding entries and routes.
  'flannel-vtep': { create: 'none', update: 'none', replace: 'cuts', delete: 'cuts' },
  // As before; the packets that the process holds are lost, too.
  'udp-relay': { create: 'none', update: 'none', replace: 'cuts', delete: 'cuts' },
  // The only link of what is behind it. An MTU and isolation are set where it is; in another bridge it is cut off from the one before.
  veth: { create: 'none', update: (before, after) => (before.master === after.master ? 'none' : 'cuts'), replace: 'cuts', delete: 'cuts' },
  // To the kernel another prefix length is another address: the old one goes first, and connections have no address until the new one is there.
  address: { create: 'none', update: null, replace: 'cuts', delete: 'cuts' },
  // Values of the kernel: it reads them with the next packet.
  sysctl: { create: 'none', update: 'none', replace: null, delete: null },
  // The kernel answers for the address with the MAC of another host from now on. Nothing else answers for it once it is gone: the device lets no ARP out.
  neighbour: { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // Packets to the MAC go to another host from now on. Without an entry they are dropped: nothing is learnt or flooded.
  fdb: { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // The relay drops what it has no peer for.
  'udp-relay-peer': { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // Another gateway or link is put in its place at once, and it takes along connections that are there. With another metric the old one goes first.
  route: { create: 'none', update: 'moves', replace: 'cuts', delete: 'cuts' },
  // Answers of an endpoint to clients of ports of policy local take the wrong way while it is not there.
  'route-rule': { create: 'none', update: null, replace: 'cuts', delete: 'cuts' },
  // When idle connections are forgotten.
  'ipvs-timeouts': { create: 'none', update: 'none', replace: null, delete: null },
  // IPVS keeps its connections when scheduler or affinity change: only new ones are dealt otherwise. With the server it drops them all.
  'virtual-server': { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  /*
   * A new one gets its part of new connections, and so does one with another weight. Connections keep the forwarding that they began with,
   * while the endpoint is set up for the other one. expire_nodest_conn is set: connections to a server that is gone are reset with the next packet. One of
   * weight 0 is drained: it goes when it has no connections left, or when their time is up.
   */
  'real-server': {
    create: 'moves',
    update: (before, after) => (before.forwarding === after.forwarding ? 'moves' : 'cuts'),
    replace: null,
    delete: (before) => (before.weight === 0 ? 'none' : 'cuts'),
  },
  // IPVS finds connections that it has by their addresses; the mark leads new ones to a server. Without it nobody balances them, and the VIP does not answer.
  mark: { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // Translation is decided by the first packet of a connection: only new ones come with another source. A mark that gets it is as new as the rule.
  'source-kept': { create: 'none', update: 'moves', replace: null, delete: 'moves' },
  // Likewise; without it answers to new connections do not come back through the load balancer.
  'source-rewrite': { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // Our rules stand behind it: with it goes their effect. Changed where it is: a jump that is there twice, or not in its place.
  'rule-entry': { create: 'none', update: 'none', replace: null, delete: 'cuts' },
  // Connections that are there keep their translation. Without it the published port leads to nobody.
  'port-redirect': { create: 'none', update: 'moves', replace: null, delete: 'cuts' },
  // A port that is no longer open is closed to connections that are there, too. Without the filter more is let in, not less.
  'endpoint-filter': {
    create: 'none',
    update: (before, after) => (before.open.every((was) => isOpen(after, was)) ? 'none' : 'cuts'),
    replace: null,
    delete: 'none',
  },
  // It names the subnet and the bridge of every endpoint's way out: with others the addresses of the endpoints change, too.
  'gateway-policy': { create: 'none', update: 'cuts', replace: null, delete: 'cuts' },
  // Connections that are there keep their translation, new ones are led elsewhere. Where the port is no longer published new ones cannot be made.
  'port-forward': { create: 'none', update: (before, after) => (isPublishedEverywhereOf(after, before) ? 'moves' : 'cuts'), replace: null, delete: 'cuts' },
  // What another program drops in the forward chain is dropped without it.
  'pod-forward': { create: 'none', update: 'cuts', replace: null, delete: 'cuts' },
  // Decided by the first packet of a connection: new ones leave with the address of the host, or of the pod, to which nobody outside answers.
  'pod-masquerade': { create: 'moves', update: 'moves', replace: null, delete: 'cuts' },
  // Read when the next container is started.
  file: { create: 'none', update: 'none', replace: null, delete: 'none' },
  // Between another port and the sockets there no name can be asked for.
  'dns-redirect': { create: 'none', update: 'cuts', replace: null, delete: 'cuts' },
  // How long answers may be kept, and who is asked for other names.
  'dns-server': { create: 'none', update: 'none', replace: null, delete: 'cuts' },
  // A name leads new connections. One without addresses, or that is gone, leads nowhere.
  'dns-name': { create: 'none', update: (_before, after) => (after.addresses.length > 0 ? 'moves' : 'cuts'), replace: null, delete: 'cuts' },
  // It sees other names from now on; at another port it is asked for none until the rules lead there. Without it the endpoint finds nobody.
  'dns-client': { create: 'none', update: (before, after) => (before.port === after.port ? 'moves' : 'cuts'), replace: null, delete: 'cuts' },
};

type Bodies = { readonly before: ObjectBody | undefined; readonly after: ObjectBody | undefined };

/** The risk of a change; the worst that it can be where a body that decides it was not read, as that of rules is not. */
export function riskOf(kind: ObjectKind, action: 'create' | 'update' | 'replace' | 'delete', { before, after }: Bodies): Risk {
  const own = risksByKind[kind] as RisksOf<ObjectBody>;
  if (action === 'delete') {
    if (typeof own.delete !== 'function') return own.delete ?? 'cuts';
    return before === undefined ? 'cuts' : own.delete(before);
  }
  const risk = own[action];
  if (typeof risk !== 'function') return risk ?? 'cuts';
  return before === undefined || after === undefined ? 'cuts' : risk(before, after);
}

/** The worst of them; none when there is none. */
export function worstRisk(all: Iterable<Risk>): Risk {
  const found = new Set(all);
  return risks.find((risk) => found.has(risk)) ?? 'none';
}

function isOpen({ open }: Body<'endpoint-filter'>, { protocol, port }: Body<'endpoint-filter'>['open'][number]): boolean {
  return open.some((own) => own.protocol === protocol && own.port === port);
}

/** Whether the port is published wherever `before` published it. */
function isPublishedEverywhereOf(after: Body<'port-forward'>, before: Body<'port-forward'>): boolean {
  const holds = (now: readonly string[] | undefined, was: readonly string[] | undefined): boolean =>
    now === undefined || (was?.every((own) => now.includes(own)) ?? false);
  return holds(after.addresses, before.addresses) && holds(after.interfaces, before.interfaces);
}
