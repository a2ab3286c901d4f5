import { checkChanges, checkSnapshot, type Finding } from '@portolan/check';
import { diffSnapshots, type Endpoint, type Id, type Network, type Node, type Service, type Snapshot } from '@portolan/model';
import { largeSnapshot, sampleSnapshot } from '@portolan/testkit';
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

function without(collection: Collection, name: string): Snapshot {
  const nouns: ReadonlyMap<Id, Nouns[Collection]> = sample[collection];
  return { ...sample, [collection]: new Map([...nouns].filter(([, noun]) => noun.name !== name)) };
}

const settings = (own: Partial<Snapshot['cluster']['settings']>): Snapshot => ({
  ...sample,
  cluster: { ...sample.cluster, settings: { ...sample.cluster.settings, ...own } },
});

const line = ({ severity, code, subject, field }: Finding): string => `${severity} ${code} ${subject.kind} ${subject.name} ${field}`;

const back = 'bjdt_bjdt-dzwl';
const front = 'bjdt_bjdt-dzwl-web';

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
    edited('services', back, (s) => ({ vips: s.vips.map((v) => (v.networkId === OVERLAY ? { ...v, address: '10.0.1.20' } : v)) })),
    `block address-outside-network service ${back} vips`,
  ],
  [
    'a VIP on the gateway',
    edited('services', back, (s) => ({ vips: s.vips.map((v) => (v.networkId === OVERLAY ? { ...v, address: '10.0.0.1' } : v)) })),
    `block address-taken service ${back} address`,
  ],
  [
    'a mark twice',
    edited('services', front, (s) => ({ vips: s.vips.map((v) => ({ ...v, mark: v.networkId === OVERLAY ? 0x149 : v.mark })) })),
    `block mark-taken service ${front} vips`,
  ],
  [
    'a port twice',
    edited('services', front, () => ({ ports: [{ protocol: 'tcp' as const, published: 8080, target: 80 }] })),
    `block port-taken service ${front} ports`,
  ],
  ['no port but an ingress VIP', edited('services', front, () => ({ ports: [] })), `block internal service ${front} vips`],
  ['a name twice', edited('services', front, () => ({ name: back })), `block duplicate-name service ${back} name`],
  ['no VIP at all', edited('services', front, () => ({ ports: [], vips: [] })), `warn service-without-network service ${front} networks`],
  ['a network that is gone', without('networks', 'bjdt_overlay'), `block unknown-reference service ${back} vips`],
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
];

describe('checkSnapshot', () => {
  it('finds nothing in the example', () => {
    expect(checkSnapshot(sample)).toEqual([]);
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
});

describe('checkChanges', () => {
  const uniqueness = /taken|duplicate-name/;

  it.each(wrong.filter(([, , finding]) => !uniqueness.test(finding) && !finding.includes('unknown-reference') && !finding.includes('missing')))(
    'finds %s as the change of one object',
    (_what, snapshot, finding) => {
      expect(checkChanges(snapshot, diffSnapshots(sample, snapshot)).map(line)).toContain(finding);
    },
  );

  it('looks at nothing when nothing changed', () => {
    const [, broken = sample] = wrong[0] ?? [];
    expect(checkChanges(broken, diffSnapshots(broken, broken))).toEqual([]);
  });
});
