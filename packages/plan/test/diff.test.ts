import { computeNodeState } from '@portolan/compute';
import type { DnsNameBody, NodeState, ObservedState } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bjdt, type ClusterSketch, idOf, snapshotOf } from '../../compute/test/snapshots.js';
import { diffNodeState, type Plan } from '../src/index.js';
import { ModelKernel } from './model-kernel.js';
import { expectReached, steps } from './reach.js';

function stateOf(sketch: ClusterSketch): NodeState {
  return computeNodeState(snapshotOf(sketch), idOf('node1'));
}

function present(state: NodeState): ObservedState['endpoints'] {
  return Object.fromEntries(Object.keys(state.endpoints).map((id) => [id, 'present']));
}

function kernelWith(state: NodeState, endpoints: ObservedState['endpoints'] = present(state)): ModelKernel {
  const kernel = new ModelKernel([], endpoints);
  kernel.apply(diffNodeState(kernel.observe(), state));
  return kernel;
}

const desired = stateOf(bjdt);
const web1 = `endpoint:${idOf('web-1')}`;

/** Clusters around the example: networks, services and endpoints come and go, and numbers move between them. */
const sketches = fc
  .record({
    vnis: fc.constantFrom([4096, 4097, 4098], [4097, 4096, 4098], [4096, 4098, 4097]),
    networks: fc.subarray([0, 1, 2], { minLength: 0 }),
    endpoints: fc.subarray([0, 1, 2, 3, 4, 5]),
    moved: fc.subarray([0, 1, 2, 3, 4, 5]),
    balancer: fc.constantFrom('10.0.0.5', '10.0.0.9'),
    prefix: fc.constantFrom('10.0.0.0/24', '10.0.0.0/16'),
    mtu: fc.constantFrom(1450, 1400),
    weight: fc.constantFrom(1, 5),
    scheduler: fc.constantFrom('rr' as const, 'wlc' as const),
    ports: fc.subarray([8000, 8001, 8002]),
    marks: fc.constantFrom([329, 331], [331, 329]),
    gateway: fc.constantFrom('192.168.240.0/20', '192.168.240.0/24', '172.30.0.0/16'),
    dsr: fc.boolean(),
    internal: fc.boolean(),
    extra: fc.constantFrom([], [{ vni: 5000, subnet: '10.9.1.0/24', gateway: '10.9.1.1' }]),
    mode: fc.constantFrom('vip' as const, 'dnsrr' as const),
    persistence: fc.constantFrom(0, 300),
    udpTimeout: fc.constantFrom(300, 60),
    local: fc.subarray([8000, 8001]),
    hostPort: fc.constantFrom([], [{ published: 9000, target: 90, protocol: 'udp' as const, mode: 'host' as const }]),
    addresses: fc.constantFrom([], ['192.0.2.1', '198.51.100.0/24']),
    checked: fc.boolean(),
    unhealthy: fc.subarray([0, 1, 2, 3, 4, 5]),
    leaving: fc.subarray([0, 1, 2, 3, 4, 5]),
  })
  .map((choice): ClusterSketch => {
    const all = [
      { name: 'ingress', ingress: true, subnet: '10.255.0.0/16', gateway: '10.255.0.1' },
      { name: 'app', subnet: choice.prefix, gateway: '10.0.0.1' },
      { name: 'other', subnet: '10.9.0.0/24', gateway: '10.9.0.1', dsr: choice.dsr, internal: choice.internal, extraSubnets: choice.extra },
    ].map((network, i) => ({ ...network, vni: choice.vnis[i] ?? 1, mtu: choice.mtu }));
    const networks = all.filter((_, i) => choice.networks.includes(i));
    const keep = <T>(on: Record<string, T>) => Object.fromEntries(Object.entries(on).filter(([name]) => networks.some((n) => n.name === name)));
    const [m1 = 1, m2 = 2] = choice.marks;
    return {
      settings: { gatewaySubnet: choice.gateway, ipvsTimeouts: { tcp: 7800, tcpFin: 120, udp: choice.udpTimeout } },
      nodes: [
        { name: 'node1', address: '172.16.130.140', on: keep({ ingress: '10.255.0.2', app: choice.balancer, other: '10.9.0.2' }) },
        { name: 'node2', address: '172.16.130.164', on: keep({ ingress: '10.255.0.3', app: '10.0.0.6', other: '10.9.0.3' }) },
      ],
      networks,
      services: [
        {
          name: 'api',
          endpointMode: choice.mode,
          scheduler: choice.scheduler,
          persistence: choice.mode === 'vip' ? choice.persistence : 0,
          healthCheck: choice.checked ? { kind: 'tcp', port: 80, path: '', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } : null,
          on: keep<readonly [] | readonly [string, number]>(
            choice.mode === 'vip' ? { app: ['10.0.0.20', m1], other: ['10.9.0.20', 400] } : { app: [], other: [] },
          ),
          aliases: { app: ['search'] },
        },
        {
          name: 'web',
          on: keep<readonly [string, number, number?]>({
            app: ['10.0.0.30', m2],
            ingress: ['10.255.0.42', 332, ...(choice.local.some((port) => choice.ports.includes(port)) ? [333] : [])] as [string, number, number?],
          }),
          ports: [
            ...choice.ports.map((published) => ({
              published,
              target: 80,
              addresses: choice.addresses,
              externalTrafficPolicy: choice.local.includes(published) ? ('local' as const) : ('cluster' as const),
            })),
            ...choice.hostPort,
          ],
        },
      ],
      endpoints: choice.endpoints.map((i) => {
        const other = choice.moved.includes(i);
        return {
          name: `e${i}`,
          service: i % 2 === 0 ? 'api' : 'web',
          node: i < 4 ? 'node1' : 'node2',
          weight: choice.weight,
          gatewayAddress: `${choice.gateway.slice(0, choice.gateway.lastIndexOf('.'))}.${10 + (other ? i ^ 1 : i)}`,
          health: choice.unhealthy.includes(i) ? ('unhealthy' as const) : ('healthy' as const),
          drain: choice.leaving.includes(i) ? { revision: 1, deadline: 0, removes: true, drained: false } : null,
          // Some swap addresses with their neighbour, so that a name of a port means another endpoint.
          on: keep({
            app: `10.0.0.${100 + (other ? i ^ 1 : i)}`,
            ...(i % 2 === 0 ? { other: `10.9.${choice.extra.length > 0 && i > 1 ? 1 : 0}.${100 + i}` } : { ingress: `10.255.0.${100 + i}` }),
          }),
        };
      }),
    };
  })
  .filter((sketch) => {
    const addresses = sketch.endpoints.flatMap(({ on, gatewayAddress }) => [...Object.values(on), gatewayAddress]);
    return new Set(addresses).size === addresses.length;
  });

const isName = (key: string) => /^dns-(server|name|client)\//.test(key);

/** All that a name is answered with, to anybody and to the endpoints of its own service. */
function answersOf({ addresses, own }: DnsNameBody): string[] {
  return [...addresses, ...(own?.addresses ?? []).map((address) => `own ${address}`)];
}

/** What names lose goes before anything, what they gain comes when all is made and before anything else goes. */
function expectNamesAround({ steps }: Plan): void {
  const places = steps.map((step) => {
    if (!isName(step.action === 'delete' ? step.observed.key : step.object.key)) return step.action === 'delete' ? 'goes' : 'made';
    if (step.action === 'delete') return 'forgotten';
    const before = step.action === 'replace' && step.observed.body?.kind === 'dns-name' ? answersOf(step.observed.body) : [];
    const after = step.object.body.kind === 'dns-name' ? answersOf(step.object.body) : [];
    return before.length > after.length && after.every((answer) => before.includes(answer)) ? 'either' : 'named';
  });
  const lastForgotten = places.lastIndexOf('forgotten');
  expect(places.slice(0, Math.max(0, lastForgotten)).filter((place) => place === 'made' || place === 'goes' || place === 'named')).toEqual([]);
  const firstNamed = places.indexOf('named');
  if (firstNamed >= 0) expect(places.slice(firstNamed)).not.toContain('made');
}

describe('from any state to any other', () => {
  it('the plan applies, reaches what is desired, and the next plan is empty', () => {
    fc.assert(
      fc.property(sketches, sketches, fc.infiniteStream(fc.nat(99)), fc.subarray([0, 1, 2, 3]), (before, after, dice, absent) => {
        const first = stateOf(before);
        const second = stateOf(after);
        const endpoints: Record<string, 'present' | 'absent'> = { ...present(first), ...present(second) };
        const kernel = kernelWith(first, endpoints);
        const roll = () => dice.next().value ?? 0;
        for (const key of [...kernel.things.keys()]) {
          const dieOf = roll();
          if (dieOf < 8 && kernel.things.has(key)) kernel.remove(key);
          else if (dieOf < 12) kernel.damage(key, true);
          else if (dieOf < 14 && /^(veth|vxlan|mark|port-forward)/.test(key)) kernel.damage(key, false);
        }
        for (const i of absent) {
          const id = idOf(`e${i}`);
          endpoints[id] = 'absent';
          for (const thing of [...kernel.things.values()]) {
            if (!kernel.things.has(thing.key)) continue;
            if (thing.space === `endpoint:${id}` || (thing.body?.kind === 'veth' && thing.body.peer.space === `endpoint:${id}`)) {
              // A namespace that lost its name may live on, and with it the other end.
              if (thing.kind === 'veth' && roll() < 30) kernel.damage(thing.key, false);
              else kernel.remove(thing.key);
            }
          }
        }
        const plan = diffNodeState(kernel.observe(), second);
        expectNamesAround(plan);
        expectReached(kernel, plan, second);
      }),
      { numRuns: 600 },
    );
  });

  it('equal states give no steps', () => {
    fc.assert(
      fc.property(sketches, (sketch) => {
        const state = stateOf(sketch);
        const plan = diffNodeState(kernelWith(state).observe(), state);
        expect(plan).toMatchObject({ steps: [], waiting: [], to: state.hash });
      }),
      { numRuns: 50 },
    );
  });
});

describe('order', () => {
  const before = (plan: Plan, earlier: string, later: string): void => {
    const order = steps(plan);
    const at = (pattern: string) => order.findIndex((step) => step.includes(pattern));
    expect(at(earlier), `${earlier} in\n${order.join('\n')}`).toBeGreaterThanOrEqual(0);
    expect(at(later), `${later} in\n${order.join('\n')}`).toBeGreaterThan(at(earlier));
  };

  it('up: servers before marks before the source rewrite before the entry on the host', () => {
    const plan = diffNodeState(new ModelKernel([], present(desired)).observe(), desired);
    const chain = ['namespace/', 'vxlan/', 'veth/', 'address/', 'sysctl/', 'neighbour/', 'fdb/', 'virtual-server/', 'real-server/', 'mark/', 'source-rewrite/'];
    for (const [i, kind] of chain.slice(1).entries()) before(plan, `create ${chain[i]}`, `create ${kind}`);
    before(plan, 'create source-rewrite/', 'create port-forward/');
  });

  it('down: names go first, then the entry on the host, namespaces last; what is in them goes with them', () => {
    const empty: NodeState = { ...stateOf({ ...bjdt, networks: [], services: [], endpoints: [] }), objects: [] };
    const order = steps(diffNodeState(kernelWith(desired).observe(), empty));
    const names = order.filter((step) => step.startsWith('delete dns-') && !step.includes('dns-redirect'));
    expect(names.length).toBeGreaterThan(2);
    expect(order.slice(0, names.length)).toEqual(names);
    expect(order[names.length]).toMatch(/^delete (port-forward|gateway-policy)\/host/);
    expect(order.at(-1)).toMatch(/^delete namespace\//);
    expect(order.filter((step) => /address\/own|real-server|mark\//.test(step))).toEqual([]);
    // VNIs and names in other namespaces are free at once, though the kernel takes its time with a namespace.
    expect(order).toContain('delete vxlan/own:1-5mckih8b5j/vxlan0');
    expect(order.filter((step) => step.includes('veth/own:1-5mckih8b5j'))).toEqual([
      'delete veth/own:1-5mckih8b5j/veth0a000015',
      'delete veth/own:1-5mckih8b5j/veth0a00001f',
    ]);
  });

  it('a service goes: virtual server before marks before the VIP', () => {
    const plan = diffNodeState(kernelWith(desired).observe(), stateOf({ ...bjdt, services: bjdt.services.slice(1), endpoints: bjdt.endpoints.slice(3) }));
    before(plan, 'delete port-forward/host/tcp/8080', 'delete virtual-server/own:ingress_sbox/330');
    before(plan, 'delete virtual-server/own:lb_5mckih8b5/329', 'delete mark/own:lb_5mckih8b5/input/10.0.0.20');
    before(plan, 'delete mark/own:lb_5mckih8b5/input/10.0.0.20', 'delete address/own:lb_5mckih8b5/eth0/10.0.0.20');
    expect(steps(plan).filter((step) => step.includes('real-server'))).toEqual([]);
  });

  it('a real server is there before the one that it replaces goes', () => {
    const moved = stateOf({ ...bjdt, endpoints: bjdt.endpoints.map((e) => (e.name === 'dzwl-2' ? { ...e, on: { ...e.on, bjdt_overlay: '10.0.0.99' } } : e)) });
    before(
      diffNodeState(kernelWith(desired).observe(), moved),
      'create real-server/own:lb_5mckih8b5/329/10.0.0.99',
      'delete real-server/own:lb_5mckih8b5/329/10.0.0.22',
    );
  });

  it('a VNI that passes to another network is given up first', () => {
    const next = { ...bjdt, networks: bjdt.networks.map((n) => (n.name === 'bjdt_overlay' ? { ...n, id: idOf('renewed') } : n)) };
    before(diffNodeState(kernelWith(desired).observe(), stateOf(next)), 'delete vxlan/own:1-5mckih8b5j/vxlan0', 'create vxlan/own:1-renewed000/vxlan0');
  });
});

describe('what a link takes along', () => {
  it('a pair that is made anew: its addresses are made again, the other pairs are left alone', () => {
    const kernel = kernelWith(desired);
    kernel.damage('veth/own:1-5mckih8b5j/veth-lb', false);
    const plan = diffNodeState(kernel.observe(), desired);
    expect(steps(plan)).toEqual([
      'replace veth/own:1-5mckih8b5j/veth-lb',
      'create address/own:lb_5mckih8b5/eth0/10.0.0.20',
      'create address/own:lb_5mckih8b5/eth0/10.0.0.30',
      'create address/own:lb_5mckih8b5/eth0/10.0.0.5',
      'create sysctl/own:lb_5mckih8b5/net.ipv4.conf.eth0.rp_filter',
    ]);
  });

  it('a VTEP that is made anew: its peers are made again, each saying why', () => {
    const next = stateOf({ ...bjdt, networks: bjdt.networks.map((n) => (n.name === 'bjdt_overlay' ? { ...n, vni: 5000 } : n)) });
    const plan = diffNodeState(kernelWith(desired).observe(), next);
    const fdb = plan.steps.filter((step) => step.action === 'create' && step.object.body.kind === 'fdb');
    expect(fdb).toHaveLength(5);
    expect(fdb[0]?.reason).toBe('goes with vxlan/own:1-5mckih8b5j/vxlan0, which is made anew; wanted for network bjdt_overlay');
  });

  it('an MTU or a bridge that is set right takes nothing along', () => {
    const next = stateOf({ ...bjdt, networks: bjdt.networks.map((n) => (n.name === 'bjdt_overlay' ? { ...n, mtu: 1400 } : n)) });
    expect(new Set(steps(diffNodeState(kernelWith(desired).observe(), next)).map((step) => step.split('/')[0]))).toEqual(
      new Set(['replace bridge', 'replace vxlan', 'replace veth']),
    );
  });

  it('an address with a subnet goes first, and the route over its link is made again', () => {
    const next = stateOf({ ...bjdt, settings: { gatewaySubnet: '172.30.0.0/16' } });
    const order = steps(diffNodeState(kernelWith(desired).observe(), next));
    expect(order[0]).toBe('delete address/host/ptl_gwbridge/192.168.240.1');
    expect(order).toContain('create route/own:ingress_sbox/default');
  });
});

describe('endpoints', () => {
  it('everything in and to the namespace of an absent endpoint waits; nothing of it is made or removed', () => {
    const endpoints = { ...present(desired), [idOf('web-1')]: 'absent' as const };
    const plan = diffNodeState(new ModelKernel([], endpoints).observe(), desired);
    expect(plan.waiting).toContain('veth/own:1-5mckih8b5j/veth0a00001f');
    expect(plan.waiting).toContain(`address/${web1}/ov4097/10.0.0.31`);
    expect(plan.waiting.every((key) => key.includes(web1) || key.startsWith('veth/'))).toBe(true);
    expect(steps(plan).filter((step) => step.includes(web1) || step.includes('veth0a00001f'))).toEqual([]);
  });

  it('the name server leaves an absent namespace, which its sockets would keep alive; the other leftovers there vanish with it', () => {
    const client = `dns-client/${web1}`;
    const gone = { ...kernelWith(desired).observe(), endpoints: { ...present(desired), [idOf('web-1')]: 'absent' as const } };
    const waits = diffNodeState(gone, desired);
    expect(steps(waits).filter((step) => step.includes(web1))).toEqual([`delete ${client}`]);
    expect(waits.steps[0]).toMatchObject({ action: 'delete', reason: 'the namespace of its endpoint is absent' });
    expect(waits.waiting).toContain(client);

    const next = stateOf({ ...bjdt, endpoints: bjdt.endpoints.filter(({ name }) => name !== 'web-1') });
    expect(steps(diffNodeState(gone, next)).filter((step) => step.includes(web1))).toEqual([`delete ${client}`]);
  });
});

describe('reasons', () => {
  const reasonOf = (plan: Plan, key: string) => plan.steps.find((step) => (step.action === 'delete' ? step.observed.key : step.object.key) === key)?.reason;
  const server = 'real-server/own:lb_5mckih8b5/329/10.0.0.22';

  it('say what is missing and for whom', () => {
    const kernel = kernelWith(desired);
    kernel.remove(server);
    expect(reasonOf(diffNodeState(kernel.observe(), desired), server)).toBe(
      'missing in the kernel; wanted for endpoint dzwl-2, service bjdt_bjdt-dzwl, network bjdt_overlay',
    );
  });

  it('say what differs, field by field', () => {
    const next = stateOf({ ...bjdt, endpoints: bjdt.endpoints.map((e) => (e.name === 'dzwl-2' ? { ...e, weight: 5 } : e)) });
    expect(reasonOf(diffNodeState(kernelWith(desired).observe(), next), server)).toBe(
      'differs from what is wanted for endpoint dzwl-2, service bjdt_bjdt-dzwl, network bjdt_overlay: weight is 1, not 5',
    );
  });

  it('say what is damaged, and what nobody wants', () => {
    const kernel = kernelWith(desired);
    kernel.damage('mark/own:lb_5mckih8b5/input/10.0.0.20', false);
    expect(reasonOf(diffNodeState(kernel.observe(), desired), 'mark/own:lb_5mckih8b5/input/10.0.0.20')).toMatch(/^damaged or incomplete in the kernel;/);
    const next = stateOf({ ...bjdt, endpoints: bjdt.endpoints.filter(({ name }) => name !== 'dzwl-2') });
    expect(reasonOf(diffNodeState(kernelWith(desired).observe(), next), server)).toMatch(/^no longer wanted: /);
  });
});
