import { checkChanges, checkSnapshot, type Finding } from '@portolan/check';
import {
  diffSnapshots,
  type Endpoint,
  type Id,
  type Network,
  type Node,
  type PublishedPort,
  type Retired,
  type Service,
  type ServiceNetwork,
  type Snapshot,
} from '@portolan/model';
import { dataPlaneSnapshot, largeSnapshot, portDefaults, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';

const sample = sampleSnapshot();
const INGRESS = 't17rqrj45unnb42hefovj68mh';
const OVERLAY = '5mckih8b5zq55feis4xheef5z';

type Collection = 'nodes' | 'networks' | 'services' | 'endpoints';

/** The snapshot with one object, found by name, changed. */
function edited<C extends Collection>(collection: C, name: string, change: (noun: Nouns[C]) => Partial<Nouns[C]>, snapshot = sample): Snapshot {
  const nouns: ReadonlyMap<Id, Nouns[C]> = (snapshot as { readonly [K in Collection]: ReadonlyMap<Id, Nouns[K]> })[collection];
  return { ...snapshot, [collection]: new Map([...nouns].map(([id, noun]) => [id, noun.name === name ? { ...noun, ...change(noun) } : noun])) };
}
interface Nouns {
  readonly nodes: Node;
  readonly networks: Network;
  readonly services: Service;
  readonly endpoints: Endpoint;
}

function without(collection: Collection, name: string, snapshot = sample): Snapshot {
  const nouns: ReadonlyMap<Id, Nouns[Collection]> = snapshot[collection];
  return { ...snapshot, [collection]: new Map([...nouns].filter(([, noun]) => noun.name !== name)) };
}

const settings = (own: Partial<Snapshot['cluster']['settings']>, snapshot = sample): Snapshot => ({
  ...snapshot,
  cluster: { ...snapshot.cluster, settings: { ...snapshot.cluster.settings, ...own } },
});

const line = ({ severity, code, subject, field }: Finding): string => `${severity} ${code} ${subject.kind} ${subject.name} ${field}`;

const back = 'bjdt_bjdt-dzwl';
const front = 'bjdt_bjdt-dzwl-web';

/** The sample with one of everything. */
const plane = dataPlaneSnapshot();

function idOf(network: string): Id {
  return [...plane.networks.values()].find(({ name }) => name === network)?.id ?? 'none';
}

function serviceId(service: string): Id {
  return [...plane.services.values()].find(({ name }) => name === service)?.id ?? 'none';
}

function gatewayAddressOf(endpoint: string): string | null {
  return [...plane.endpoints.values()].find(({ name }) => name === endpoint)?.gatewayAddress ?? null;
}

const port = (own: Partial<PublishedPort>): PublishedPort => ({ ...portDefaults, published: 80, target: 80, ...own });

function wide(change: (extra: Network['extraSubnets'][number]) => Network['extraSubnets'][number]): Snapshot {
  return edited('networks', 'wide', ({ extraSubnets }) => ({ extraSubnets: extraSubnets.map(change) }), plane);
}

/** With each network of a service changed. */
function joinedOf(service: string, change: (network: ServiceNetwork) => Partial<ServiceNetwork>): Snapshot {
  return edited('services', service, ({ networks }) => ({ networks: networks.map((own) => ({ ...own, ...change(own) })) }), plane);
}

function portsOf(service: string, change: (port: PublishedPort) => Partial<PublishedPort>): Snapshot {
  return edited('services', service, ({ ports }) => ({ ports: ports.map((own) => ({ ...own, ...change(own) })) }), plane);
}

function gaveUp(pool: Retired['pool'], value: string, networkId: Id | null = null, holder: Partial<Retired['holder']> = {}): Snapshot {
  return { ...plane, retired: [{ pool, networkId, value, revision: 2, holder: { kind: 'service', name: 'former', serviceId: null, ...holder } }] };
}

const wrong: readonly (readonly [what: string, snapshot: Snapshot, finding: string])[] = [
  [
    'overlapping subnets',
    edited('networks', 'ingress', () => ({ subnet: '10.0.0.0/8', gateway: '10.255.0.1' })),
    'block subnet-overlap network bjdt_overlay subnet',
  ],
  ['a subnet with host bits', edited('networks', 'bjdt_overlay', () => ({ subnet: '10.0.0.1/24' })), 'block invalid-subnet network bjdt_overlay subnet'],
  ['a gateway outside', edited('networks', 'bjdt_overlay', () => ({ gateway: '10.0.1.1' })), 'block address-outside-network network bjdt_overlay gateway'],
  ['a broadcast gateway', edited('networks', 'bjdt_overlay', () => ({ gateway: '10.0.0.255' })), 'block address-outside-network network bjdt_overlay gateway'],
  ['a VNI twice', edited('networks', 'bjdt_overlay', () => ({ vni: 4096 })), 'block vni-taken network bjdt_overlay vni'],
  ['two ingress networks', edited('networks', 'bjdt_overlay', () => ({ ingress: true })), 'block ingress-exists network bjdt_overlay ingress'],
  ['an MTU that does not fit', edited('networks', 'bjdt_overlay', () => ({ mtu: 1500 })), 'warn mtu-above-underlay network bjdt_overlay mtu'],
  ['a host inside an overlay', edited('nodes', 'node2', () => ({ address: '10.0.0.200' })), 'warn host-inside-overlay network bjdt_overlay subnet'],
  ['two hosts with one address', edited('nodes', 'node2', () => ({ address: '172.16.130.140' })), 'block address-taken node node2 address'],
  ['a host in the gateway subnet', edited('nodes', 'node2', () => ({ address: '192.168.241.1' })), 'block subnet-overlap node node2 address'],
  ['a host without address', edited('nodes', 'node2', () => ({ address: 'node2' })), 'block invalid-address node node2 address'],
  [
    'ids of networks that begin alike',
    edited('networks', 'bjdt_overlay', () => ({ id: `${INGRESS.slice(0, 9)}${OVERLAY.slice(9)}` })),
    'block duplicate-id network bjdt_overlay id',
  ],
  ['a gateway subnet over a network', settings({ gatewaySubnet: '10.0.0.0/16' }), 'block subnet-overlap network bjdt_overlay subnet'],
  ['a range that ends before it begins', settings({ vniRange: [5000, 4096] }), 'block invalid-document cluster lab vniRange'],
  ['a pool with host bits', settings({ addressPools: ['10.0.0.1/8'] }), 'block invalid-subnet cluster lab addressPools'],
  [
    'a load balancer outside',
    edited('nodes', 'node1', (n) => ({ loadBalancers: n.loadBalancers.map((o) => ({ ...o, address: '10.9.0.1' })) })),
    'block address-outside-network node node1 loadBalancers',
  ],
  [
    'a load balancer on a VIP',
    edited('nodes', 'node1', () => ({
      loadBalancers: [
        { networkId: INGRESS, address: '10.255.0.41' },
        { networkId: OVERLAY, address: '10.0.0.3' },
      ],
    })),
    `block address-taken service ${back} address`,
  ],
  [
    'a node without its address in the ingress network',
    edited('nodes', 'node3', (n) => ({ loadBalancers: n.loadBalancers.filter((o) => o.networkId !== INGRESS) })),
    'block internal node node3 loadBalancers',
  ],
  [
    'a VIP outside',
    edited('services', back, (s) => ({ networks: s.networks.map((v) => (v.networkId === OVERLAY ? { ...v, address: '10.0.1.20' } : v)) })),
    `block address-outside-network service ${back} networks`,
  ],
  [
    'a VIP on the gateway',
    edited('services', back, (s) => ({ networks: s.networks.map((v) => (v.networkId === OVERLAY ? { ...v, address: '10.0.0.1' } : v)) })),
    `block address-taken service ${back} address`,
  ],
  [
    'a mark twice',
    edited('services', front, (s) => ({ networks: s.networks.map((v) => ({ ...v, mark: v.networkId === OVERLAY ? 0x149 : v.mark })) })),
    `block mark-taken service ${front} networks`,
  ],
  ['a port twice', edited('services', front, () => ({ ports: [port({ published: 8080 })] })), `block port-taken service ${front} ports`],
  ['no port but an ingress VIP', edited('services', front, () => ({ ports: [] })), `block internal service ${front} networks`],
  ['a name twice', edited('services', front, () => ({ name: back })), `block duplicate-name service ${back} name`],
  ['no VIP at all', edited('services', front, () => ({ ports: [], networks: [] })), `warn service-without-network service ${front} networks`],
  ['a network that is gone', without('networks', 'bjdt_overlay'), `block unknown-reference service ${back} networks`],
  ['an ingress network that is gone', without('networks', 'ingress'), `block ingress-missing service ${back} ports`],
  ['a service that is gone', without('services', front), `block unknown-reference endpoint ${front}.1 service`],
  ['a node that is gone', without('nodes', 'node3'), `block unknown-reference endpoint ${back}.3 node`],
  [
    'an endpoint outside',
    edited('endpoints', `${back}.1`, (e) => ({ addresses: e.addresses.map((a) => ({ ...a, address: '10.0.0.0' })) })),
    `block address-outside-network endpoint ${back}.1 addresses`,
  ],
  [
    'an endpoint on a VIP',
    edited('endpoints', `${back}.1`, (e) => ({ addresses: e.addresses.map((a) => (a.networkId === OVERLAY ? { ...a, address: '10.0.0.20' } : a)) })),
    `block address-taken endpoint ${back}.1 address`,
  ],
  ['an endpoint without address', edited('endpoints', `${back}.1`, () => ({ addresses: [] })), `block internal endpoint ${back}.1 addresses`],
  ['the VNI of an extra subnet twice', wide((extra) => ({ ...extra, vni: 4097 })), 'block vni-taken network wide vni'],
  [
    'an extra subnet over another network',
    wide((extra) => ({ ...extra, subnet: '10.1.0.0/16', gateway: '10.1.1.1' })),
    'block subnet-overlap network wide extraSubnets',
  ],
  [
    'an extra subnet inside another of its network',
    wide((extra) => ({ ...extra, subnet: '10.3.0.8/29', gateway: '10.3.0.9' })),
    'block subnet-overlap network wide extraSubnets',
  ],
  ['an extra subnet that is none', wide((extra) => ({ ...extra, subnet: '10.3.1.1/24' })), 'block invalid-subnet network wide extraSubnets'],
  ['a gateway outside its extra subnet', wide((extra) => ({ ...extra, gateway: '10.3.0.3' })), 'block address-outside-network network wide extraSubnets'],
  ['the gateway of an extra subnet twice', wide((extra) => ({ ...extra, gateway: '10.3.1.10' })), 'block address-taken endpoint syslog.3 address'],
  [
    'a VIP in an extra subnet',
    edited('services', 'syslog', (s) => ({ networks: s.networks.map((own) => (own.address === '10.3.0.2' ? { ...own, address: '10.3.1.2' } : own)) }), plane),
    'block address-outside-network service syslog networks',
  ],
  [
    'a load balancer in an extra subnet',
    edited(
      'nodes',
      'node1',
      (n) => ({ loadBalancers: n.loadBalancers.map((own) => (own.networkId === idOf('wide') ? { ...own, address: '10.3.1.2' } : own)) }),
      plane,
    ),
    'block address-outside-network node node1 loadBalancers',
  ],
  [
    'direct server return on the ingress network',
    edited('networks', 'ingress', () => ({ dsr: true }), plane),
    'block unsupported-combination network ingress dsr',
  ],
  ['direct server return with several subnets', edited('networks', 'wide', () => ({ dsr: true }), plane), 'block unsupported-combination network wide dsr'],
  ['a pinned MTU that a node has no room for', edited('nodes', 'node2', () => ({ underlayMtu: 1420 }), plane), 'warn mtu-above-underlay network lan mtu'],
  ['a node with less than the setting', edited('nodes', 'node2', () => ({ underlayMtu: 1460 }), plane), 'warn underlay-below-setting node node2 address'],
  [
    'a timeout below the keep-alive',
    settings({ ipvsTimeouts: { tcp: 599, tcpFin: 1, udp: 1 } }, plane),
    'warn timeout-below-keepalive network lan ipvsTimeouts',
  ],
  [
    'a timeout of a network below the keep-alive',
    edited('networks', 'front', () => ({ ipvsTimeouts: { tcp: 500, tcpFin: 1, udp: 1 } }), plane),
    'warn timeout-below-keepalive network front ipvsTimeouts',
  ],
  ['a VIP with mode dnsrr', joinedOf('db', () => ({ address: '10.2.0.99' })), 'block internal service db networks'],
  ['a mark with mode dnsrr', joinedOf('db', () => ({ mark: 77 })), 'block internal service db networks'],
  ['no VIP with mode vip', joinedOf('cache', () => ({ address: null })), 'block internal service cache networks'],
  ['no mark with mode vip', joinedOf('cache', () => ({ mark: null })), 'block internal service cache networks'],
  ['no mark for a local port', joinedOf('web', () => ({ localMark: null })), 'block internal service web networks'],
  ['a mark for local ports without one', joinedOf('cache', () => ({ localMark: 77 })), 'block internal service cache networks'],
  [
    'the mark for local ports twice',
    joinedOf('cache', () => ({ mark: plane.services.get(serviceId('web'))?.networks.find((own) => own.localMark !== null)?.localMark ?? null })),
    'block mark-taken service cache networks',
  ],
  ['a network twice', edited('services', 'cache', (s) => ({ networks: [...s.networks, ...s.networks] }), plane), 'block internal service cache networks'],
  ['persistence with dnsrr', edited('services', 'db', () => ({ persistence: 60 }), plane), 'block unsupported-combination service db persistence'],
  [
    'a port of the routing mesh with dnsrr',
    edited('services', 'web', () => ({ endpointMode: 'dnsrr' as const }), plane),
    'block unsupported-combination service web ports',
  ],
  ['policy local with mode host', portsOf('metrics', () => ({ externalTrafficPolicy: 'local' })), 'block unsupported-combination service metrics ports'],
  ['a host port without a way out', edited('networks', 'lan', () => ({ internal: true }), plane), 'block unsupported-combination service metrics ports'],
  ['a port on no address', portsOf('syslog', () => ({ addresses: ['eth0'] })), 'block invalid-address service syslog ports'],
  ['a host port that the routing mesh has', portsOf('metrics', () => ({ published: 8000 })), 'block port-taken service metrics ports'],
  [
    'a host port twice in a service',
    edited('services', 'metrics', (s) => ({ ports: [...s.ports, ...s.ports.map((own) => ({ ...own, target: 81 }))] }), plane),
    'block port-taken service metrics ports',
  ],
  [
    'a host port twice on a node',
    edited('services', 'cache', () => ({ ports: [port({ published: 9100, mode: 'host' })] }), plane),
    'block port-taken endpoint cache.1 node',
  ],
  ['a network that is not attachable', edited('networks', 'lan', () => ({ attachable: false }), plane), 'block not-attachable endpoint debug networks'],
  [
    'an endpoint in nothing',
    edited('endpoints', 'debug', () => ({ addresses: [], gatewayAddress: null }), plane),
    'block not-attachable endpoint debug networks',
  ],
  ['no gateway address', edited('endpoints', 'debug', () => ({ gatewayAddress: null }), plane), 'block internal endpoint debug gatewayAddress'],
  [
    'a gateway address without a way out',
    edited('endpoints', 'db.1', () => ({ gatewayAddress: '192.168.240.99' }), plane),
    'block internal endpoint db.1 gatewayAddress',
  ],
  [
    'the gateway address of the bridge',
    edited('endpoints', 'debug', () => ({ gatewayAddress: '192.168.240.1' }), plane),
    'block address-outside-network endpoint debug gatewayAddress',
  ],
  [
    'the gateway address of the sandbox',
    edited('endpoints', 'debug', () => ({ gatewayAddress: '192.168.240.2' }), plane),
    'block address-outside-network endpoint debug gatewayAddress',
  ],
  [
    'gateway addresses outside a new gateway subnet',
    settings({ gatewaySubnet: '192.168.0.0/20' }, plane),
    'block address-outside-network endpoint debug gatewayAddress',
  ],
  [
    'a gateway address twice on a node',
    edited('endpoints', 'debug', () => ({ gatewayAddress: gatewayAddressOf('web.1') }), plane),
    'block address-taken endpoint debug gatewayAddress',
  ],
  ['an address that another service gave up', gaveUp('address', '10.1.0.20', idOf('front')), 'block still-held service web address'],
  ['a mark that another service gave up', gaveUp('mark', String(0x10001)), 'block still-held service web networks'],
  ['a VNI that another network gave up', gaveUp('vni', '4100'), 'block still-held network wide vni'],
];

describe('checkSnapshot', () => {
  it('finds nothing in the examples', () => {
    expect([...checkSnapshot(sample), ...checkSnapshot(plane)]).toEqual([]);
  });

  it.each(wrong)('finds %s', (_what, snapshot, finding) => {
    expect(checkSnapshot(snapshot).map(line)).toContain(finding);
  });

  it('says what to do about everything that it finds', () => {
    for (const [, snapshot] of wrong)
      for (const { fix, message } of checkSnapshot(snapshot)) expect([fix, message].every((text) => text.length > 10)).toBe(true);
  });

  it('finds nothing in a large cluster', () => {
    const snapshot = largeSnapshot({ nodes: 100, networks: 50, services: 2000, endpointsPerService: 10, publishedServices: 500 });
    expect(checkSnapshot(snapshot)).toEqual([]);
  });

  it('says both numbers of an idle connection, and what becomes of it; Linux has 7,200 s', () => {
    const messages = (snapshot: Snapshot): readonly string[] => checkSnapshot(snapshot).map(({ subject, message }) => `${subject.name}: ${message}`);
    const idle = (tcp: number, keepalive: number) =>
      `IPVS forgets a TCP connection after ${tcp} s without a packet, but keep-alives come after ${keepalive} s: a client that is idle for longer sees its next request to a VIP hang or be reset`;
    const swarm = { tcp: 900, tcpFin: 120, udp: 300 };
    expect(messages(settings({ ipvsTimeouts: swarm }))).toEqual(['ingress', 'bjdt_overlay'].map((name) => `${name}: ${idle(900, 7200)}`));
    expect(messages(settings({ ipvsTimeouts: swarm, tcpKeepalive: 901 }))).toContain(`ingress: ${idle(900, 901)}`);
    expect(messages(settings({ ipvsTimeouts: swarm, tcpKeepalive: 900 }))).toEqual([]);
    // `back` would be named too if `web` had no VIP there: `db` is balanced by names alone.
    const names = checkSnapshot(without('services', 'web', settings({ ipvsTimeouts: swarm, tcpKeepalive: 0 }, plane))).flatMap((finding) =>
      finding.code === 'timeout-below-keepalive' ? [finding.subject.name] : [],
    );
    expect(names).toEqual(['ingress', 'wide', 'lan', 'direct']);
  });

  it('says which node has the smallest MTU', () => {
    const [finding] = checkSnapshot(edited('nodes', 'node2', () => ({ underlayMtu: 1420 }), settings({ underlayMtu: 1420 }, plane)));
    expect(finding?.message).toContain('the setting underlayMtu is 1420');
    const reported = checkSnapshot(edited('nodes', 'node2', () => ({ underlayMtu: 1420 }), plane)).find(({ code }) => code === 'mtu-above-underlay');
    expect(reported?.message).toMatch(/^MTU 1400 is more than the 1370 bytes .* \(the node "node2" reports 1420 bytes/);
  });

  it('lets the object that gave a value up, or one of its service, have it again', () => {
    const web = serviceId('web');
    const [own] = [...plane.endpoints.values()].filter(({ name }) => name === 'web.1').flatMap(({ addresses }) => addresses);
    const address = (holder: Partial<Retired['holder']>) =>
      checkSnapshot(gaveUp('address', own?.address ?? '', own?.networkId ?? '', { kind: 'endpoint', ...holder })).map(line);
    expect(address({ name: 'web.1' })).toEqual([]);
    expect(address({ name: 'web.9', serviceId: web })).toEqual([]);
    expect(address({ name: 'web.9', serviceId: serviceId('db') })).toEqual(['block still-held endpoint web.1 address']);
    expect(address({ kind: 'service', name: 'web.1' })).toEqual(['block still-held endpoint web.1 address']);
    expect(checkSnapshot(gaveUp('mark', String(0x10001), null, { name: 'web' }))).toEqual([]);
  });

  it('finds nothing in what comes and goes by itself', () => {
    const drained = {
      ...plane,
      nodes: new Map([...plane.nodes].map(([id, node]) => [id, { ...node, availability: 'drain' as const, condition: 'unreachable' as const }])),
    };
    const absent = { ...plane, endpoints: new Map([...plane.endpoints].map(([id, own]) => [id, { ...own, presence: 'absent' as const }])) };
    const none = { ...plane, endpoints: new Map(), nodes: plane.nodes };
    expect([drained, absent, none].flatMap((snapshot) => checkSnapshot(snapshot))).toEqual([]);
  });
});

describe('checkChanges', () => {
  /** Allocation refuses these, and intent what refers to nothing. */
  const elsewhere = /taken|duplicate-name|still-held|unknown-reference|ingress-missing/;
  const origin = (snapshot: Snapshot): Snapshot => (snapshot.networks.size > sample.networks.size ? plane : sample);

  it.each(wrong.filter(([, , finding]) => !elsewhere.test(finding)))('finds %s as a change', (_what, snapshot, finding) => {
    expect(checkChanges(snapshot, diffSnapshots(origin(snapshot), snapshot)).map(line)).toContain(finding);
  });

  it('looks at nothing when nothing changed', () => {
    const [, broken = sample] = wrong[0] ?? [];
    expect(checkChanges(broken, diffSnapshots(broken, broken))).toEqual([]);
  });

  it('looks at nothing but what changed', () => {
    const broken = edited(
      'endpoints',
      'debug',
      () => ({ gatewayAddress: null }),
      joinedOf('cache', () => ({ mark: null })),
    );
    const other = edited(
      'endpoints',
      'web.1',
      () => ({ weight: 7 }),
      edited('services', 'syslog', () => ({ scheduler: 'lc' as const }), broken),
    );
    expect(checkSnapshot(other).length).toBeGreaterThan(1);
    expect(checkChanges(other, diffSnapshots(broken, other))).toEqual([]);
    const seen = edited('nodes', 'node3', () => ({ condition: 'up' as const }), broken);
    expect(checkChanges(seen, diffSnapshots(broken, seen))).toEqual([]);
  });
});
