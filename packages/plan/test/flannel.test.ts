import { computeNodeState } from '@portolan/compute';
import type { FlannelBackend, FlannelLease } from '@portolan/model';
import { type NodeState, type ObjectBody, observedObject, observedState } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClusterSketch, idOf, leaseOf, snapshotOf } from '../../compute/test/snapshots.js';
import { changesInPlace, diffNodeState, type Plan } from '../src/index.js';
import { ModelKernel, UNDERLAY } from './model-kernel.js';
import { expectReached, steps } from './reach.js';

const backends = {
  vxlan: { type: 'vxlan' },
  direct: { type: 'vxlan', directRouting: true },
  moved: { type: 'vxlan', port: 4999 },
  other: { type: 'vxlan', vni: 7, mtu: 1400 },
  udp: { type: 'udp' },
  port: { type: 'udp', port: 9000 },
  'host-gw': { type: 'host-gw' },
} as const satisfies Record<string, FlannelBackend>;
type Named = keyof typeof backends;

interface Choice {
  /** Those that are held, the target first. */
  readonly held: readonly [Named, ...Named[]];
  /** Of the nodes b and c; undefined: none. */
  readonly leases: readonly (Named | undefined)[];
  readonly subnet?: string;
  /** Last octets of the pods. */
  readonly pods?: readonly number[];
  readonly underlayMtu?: number;
  readonly swapped?: boolean;
  readonly masquerade?: boolean;
  /** VNI of an overlay whose VTEP shares the UDP port of flannel's. */
  readonly overlay?: number;
}

function lease(subnet: string, address: string, name: Named, last: number, node?: string): FlannelLease {
  const backend: FlannelBackend = backends[name];
  const vxlan = backend.type === 'vxlan' ? { vni: backend.vni ?? 1, vtepMac: `02:00:00:00:00:0${last}` } : { vni: null, vtepMac: null };
  return leaseOf(subnet, address, { backendType: backend.type, ...vxlan, ...(node === undefined ? {} : { node }) });
}

/** What node a holds: peers b, of its own network, and c. */
function stateOf({ held, leases, subnet = '10.244.1.0/24', pods = [96], underlayMtu = 1500, swapped = false, masquerade = true, overlay }: Choice): NodeState {
  const [target, ...retiring] = held.map((name): FlannelBackend => backends[name]);
  const network = { name: 'over', vni: overlay ?? 0, subnet: '10.9.0.0/24', gateway: '10.9.0.1' };
  const on = overlay === undefined ? {} : { over: '10.9.0.5' };
  const sketch: ClusterSketch = {
    settings: { dataPathPort: 8472 },
    nodes: [
      { name: 'a', address: '172.16.130.140', underlayLink: UNDERLAY, underlayMtu, onLink: ['172.16.130.0/24'], on },
      { name: 'b', address: '172.16.130.164', on: {} },
    ],
    networks: overlay === undefined ? [] : [network],
    services: [],
    endpoints: pods.map((octet) => ({
      name: `p${octet}`,
      service: null,
      node: 'a',
      flannel: { address: `${subnet.slice(0, subnet.lastIndexOf('.'))}.${octet}`, fixed: false },
      on: overlay === undefined ? {} : { over: `10.9.0.${octet}` },
    })),
    ...(target === undefined ? {} : { flannel: { network: '10.244.0.0/16', backend: target, retiring, masquerade } }),
    leases: [
      lease(subnet, '172.16.130.140', held[0], 1, 'a'),
      ...leases.flatMap((name, i) => {
        const at = swapped ? 1 - i : i;
        return name === undefined ? [] : [lease(`10.244.${2 + at}.0/24`, i === 0 ? '172.16.130.164' : '172.16.131.9', name, 2 + i)];
      }),
    ],
  };
  return computeNodeState(snapshotOf(sketch), idOf('a'));
}

const nothing: NodeState = { ...stateOf({ held: ['vxlan'], leases: [] }), objects: [] };
const everybody = { [`${idOf('p96')}`]: 'present', [`${idOf('p97')}`]: 'present', [`${idOf('p200')}`]: 'present' } as const;

function kernelWith(state: NodeState): ModelKernel {
  const kernel = new ModelKernel([], everybody);
  kernel.apply(diffNodeState(kernel.observe(), state));
  return kernel;
}

function planBetween(before: Choice, after: Choice | null): Plan {
  return diffNodeState(kernelWith(stateOf(before)).observe(), after === null ? nothing : stateOf(after));
}

const names = Object.keys(backends) as Named[];
const choices = fc
  .record({
    held: fc.shuffledSubarray(names, { minLength: 1, maxLength: 4 }),
    leases: fc.tuple(fc.option(fc.constantFrom(...names), { nil: undefined }), fc.option(fc.constantFrom(...names), { nil: undefined })),
    subnet: fc.constantFrom('10.244.1.0/24', '10.244.9.0/24', '10.244.1.0/25'),
    pods: fc.subarray([96, 97, 200]),
    underlayMtu: fc.constantFrom(1500, 1400),
    swapped: fc.boolean(),
    masquerade: fc.boolean(),
    overlay: fc.constantFrom(undefined, 1, 7, 4097),
  })
  .map(({ held: [target = 'vxlan', ...retiring], overlay, ...rest }): Choice => {
    // Nobody can have a VTEP of flannel and one of an overlay with one VNI and port.
    const taken = new Set<number>([target, ...retiring].map((name) => (name === 'other' ? 7 : name === 'vxlan' || name === 'direct' ? 1 : 0)));
    return { held: [target, ...retiring], ...rest, ...(overlay === undefined || taken.has(overlay) ? {} : { overlay }) };
  });

describe('from any state of flannel to any other', () => {
  it('the plan applies, reaches what is desired, and the next plan is empty', () => {
    fc.assert(
      fc.property(choices, fc.option(choices, { nil: null }), fc.infiniteStream(fc.nat(99)), (before, after, dice) => {
        const kernel = kernelWith(stateOf(before));
        for (const key of [...kernel.things.keys()]) {
          const die = dice.next().value ?? 0;
          if (die < 8 && kernel.things.has(key)) kernel.remove(key);
          else if (die < 12) kernel.damage(key, true);
          else if (die < 15 && /^(veth|flannel-vtep|udp-relay|pod-)/.test(key)) kernel.damage(key, false);
        }
        const desired = after === null ? nothing : stateOf(after);
        expectReached(kernel, diffNodeState(kernel.observe(), desired), desired);
      }),
      { numRuns: 250 },
    );
  });
});

describe('order', () => {
  const order = (plan: Plan, ...keys: string[]): number[] => {
    const listed = steps(plan);
    return keys.map((key) => {
      const at = listed.indexOf(key);
      expect(at, `${key} in\n${listed.join('\n')}`).toBeGreaterThanOrEqual(0);
      return at;
    });
  };
  const expectInOrder = (plan: Plan, ...keys: string[]): void => {
    const places = order(plan, ...keys);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  };
  const [neighbour, fdb, route] = ['neighbour/host/flannel.1/10.244.2.0', 'fdb/host/flannel.1/02:00:00:00:00:02', 'route/host/10.244.2.0/24'];
  const relayPeer = 'udp-relay-peer/host/flannel0/10.244.2.0/24';
  const both = { held: ['host-gw', 'vxlan', 'udp'] } as const;

  it('a peer comes as with flanneld: neighbour, forwarding entry, route; and goes in reverse', () => {
    const [none, one] = [
      { ...both, leases: [] },
      { ...both, leases: ['vxlan'] },
    ] as const;
    expect(steps(planBetween(none, one))).toEqual([`create ${neighbour}`, `create ${fdb}`, `create ${route}`]);
    expect(steps(planBetween(one, none))).toEqual([`delete ${route}`, `delete ${fdb}`, `delete ${neighbour}`]);
  });

  it('from nothing: devices, addresses, peers, routes, rules', () => {
    const plan = diffNodeState(new ModelKernel([], everybody).observe(), stateOf({ ...both, leases: ['vxlan', 'udp'] }));
    expectInOrder(
      plan,
      'create bridge/host/cni0',
      'create flannel-vtep/host/flannel.1',
      'create udp-relay/host/flannel0',
      'create veth/host/ptl_0af40160',
      'create address/host/flannel.1/10.244.1.0',
      'create sysctl/host/net.ipv6.conf.flannel/1.accept_ra',
      `create ${neighbour}`,
      `create ${fdb}`,
      'create udp-relay-peer/host/flannel0/10.244.3.0/24',
      'create route/host/10.244.0.0/16',
      `create ${route}`,
      'create file/host//run/flannel/subnet.env',
      'create pod-forward/host/10.244.0.0/16',
      'create pod-masquerade/host/10.244.0.0/16',
    );
  });

  it('from vxlan to host-gw: the route is led elsewhere where it is, then the old way goes', () => {
    const plan = planBetween({ ...both, leases: ['vxlan'] }, { ...both, leases: ['host-gw'] });
    expect(steps(plan)).toEqual([`replace ${route}`, `delete ${fdb}`, `delete ${neighbour}`]);
  });

  it('from host-gw to vxlan: the new way is made, then the route is led to it', () => {
    const plan = planBetween({ ...both, leases: ['host-gw'] }, { ...both, leases: ['vxlan'] });
    expect(steps(plan)).toEqual([`create ${neighbour}`, `create ${fdb}`, `replace ${route}`]);
  });

  it('to and from udp: the relay knows the peer before the longer route goes, and until it is there', () => {
    const [vxlan, udp] = [
      { ...both, leases: ['vxlan'] },
      { ...both, leases: ['udp'] },
    ] as const;
    expect(steps(planBetween(vxlan, udp))).toEqual([`create ${relayPeer}`, `delete ${route}`, `delete ${fdb}`, `delete ${neighbour}`]);
    expect(steps(planBetween(udp, vxlan))).toEqual([`create ${neighbour}`, `create ${fdb}`, `create ${route}`, `delete ${relayPeer}`]);
  });

  it('a backend that retires goes with its device, in one step; nothing that other backends use is touched', () => {
    const leases = ['host-gw'] as const;
    expect(steps(planBetween({ held: ['host-gw', 'vxlan'], leases }, { held: ['host-gw'], leases })).filter((step) => !step.includes('file/'))).toEqual([
      'replace bridge/host/cni0',
      'replace veth/host/ptl_0af40160',
      'delete flannel-vtep/host/flannel.1',
    ]);
    const relay = steps(planBetween({ held: ['host-gw', 'udp'], leases: ['udp'] }, { held: ['host-gw'], leases }));
    expect(relay.filter((step) => step.startsWith('delete'))).toEqual(['delete udp-relay/host/flannel0']);
    expect(relay).toContain(`create ${route}`);
  });

  it('all of it leaves: rules first, then files, routes and devices', () => {
    const plan = planBetween({ ...both, leases: ['host-gw'] }, null);
    expectInOrder(
      plan,
      'delete pod-masquerade/host/10.244.0.0/16',
      'delete pod-forward/host/10.244.0.0/16',
      'delete file/host//run/flannel/subnet.env',
      `delete ${route}`,
      'delete veth/host/ptl_0af40160',
      'delete udp-relay/host/flannel0',
      'delete flannel-vtep/host/flannel.1',
      'delete bridge/host/cni0',
    );
  });

  it('a VNI and port that an overlay had goes to flannel, and the reverse: the old VTEP goes first', () => {
    const overlay = { held: ['host-gw'], leases: [], overlay: 1 } as const;
    const flannel = { held: ['vxlan'], leases: [] } as const;
    const space = `own:1-${idOf('over').slice(0, 10)}`;
    expectInOrder(planBetween(overlay, flannel), `delete vxlan/${space}/vxlan0`, 'create flannel-vtep/host/flannel.1');
    expectInOrder(planBetween(flannel, overlay), 'delete flannel-vtep/host/flannel.1', `create vxlan/${space}/vxlan0`);
  });
});

describe('what is changed where it is', () => {
  const vtep: ObjectBody = {
    kind: 'flannel-vtep',
    name: 'flannel.1',
    vni: 1,
    port: 8472,
    mtu: 1450,
    mac: '02:00:00:00:00:01',
    local: '172.16.130.140',
    underlay: 'eth0',
    learning: false,
    gbp: false,
  };
  const relay: ObjectBody = { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: '172.16.130.140', port: 8285, address: '10.244.1.0' };

  it("of flannel's devices only the MTU", () => {
    const inPlace = (body: ObjectBody, change: object): boolean => changesInPlace(observedObject('host', { ...body, ...change }), body);
    for (const body of [vtep, relay]) {
      expect(inPlace(body, { mtu: 1300 })).toBe(true);
      expect(inPlace(body, {})).toBe(true);
      expect(inPlace(body, { local: '172.16.130.141' })).toBe(false);
      expect(inPlace(body, { port: 4999 })).toBe(false);
    }
    for (const change of [{ vni: 2 }, { mac: '02:00:00:00:00:09' }, { underlay: 'eth1' }, { learning: true }, { gbp: true }])
      expect(inPlace(vtep, change)).toBe(false);
    expect(inPlace(relay, { address: '10.244.9.0' })).toBe(false);
    const { body: _body, ...damaged } = observedObject('host', vtep);
    expect(changesInPlace({ ...damaged, hash: '' }, vtep)).toBe(false);
  });

  it('a VTEP that is made anew takes along its address, peers, routes and settings; each says so', () => {
    const held = { held: ['vxlan'], leases: ['vxlan'] } as const;
    const kernel = kernelWith(stateOf(held));
    const there = kernel
      .observe()
      .objects.map((object) => (object.kind === 'flannel-vtep' ? observedObject('host', { ...vtep, mac: '0a:00:00:00:00:01' }) : object));
    const plan = diffNodeState(observedState(there, everybody, []), stateOf(held));
    expect(steps(plan)).toEqual([
      'replace flannel-vtep/host/flannel.1',
      'create address/host/flannel.1/10.244.1.0',
      'create sysctl/host/net.ipv6.conf.flannel/1.accept_ra',
      'create neighbour/host/flannel.1/10.244.2.0',
      'create fdb/host/flannel.1/02:00:00:00:00:02',
      'create route/host/10.244.2.0/24',
    ]);
    expect(plan.steps.map(({ reason }) => reason)).toEqual([
      'differs from what is wanted for the flannel network: mac is 0a:00:00:00:00:01, not 02:00:00:00:00:01',
      'goes with flannel-vtep/host/flannel.1, which is made anew; wanted for the flannel network',
      'goes with flannel-vtep/host/flannel.1, which is made anew; wanted for the flannel network',
      ...Array<string>(3).fill('goes with flannel-vtep/host/flannel.1, which is made anew; wanted for lease 10.244.2.0-24, the flannel network'),
    ]);
  });

  it('a relay that is made anew takes along its address, peers and the route of the network', () => {
    const held = { held: ['udp'], leases: ['udp'] } as const;
    const plan = diffNodeState(kernelWith(stateOf(held)).observe(), stateOf({ ...held, held: ['port'] }));
    expect(steps(plan)).toEqual([
      'replace udp-relay/host/flannel0',
      'create address/host/flannel0/10.244.1.0',
      'create udp-relay-peer/host/flannel0/10.244.2.0/24',
      'create route/host/10.244.0.0/16',
    ]);
  });

  it('a bridge that vanished gets its ports back', () => {
    const held = { held: ['vxlan'], leases: [] } as const;
    const kernel = kernelWith(stateOf(held));
    kernel.remove('bridge/host/cni0');
    expect(steps(diffNodeState(kernel.observe(), stateOf(held)))).toEqual([
      'create bridge/host/cni0',
      'replace veth/host/ptl_0af40160',
      'create address/host/cni0/10.244.1.1',
    ]);
  });
});
