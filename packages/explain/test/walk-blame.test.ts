import { dataPlaneSnapshot, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import type { HostKernel, Obstruction, Path, World } from '../src/index.js';
import { damaged, type Flow, flow, only, withHost, without, worldOf } from './walk-worlds.js';

const world = worldOf(dataPlaneSnapshot());
const bjdt = worldOf(sampleSnapshot());
const nodes = ['node1', 'node2', 'node3'];

const flows: readonly (readonly [World, string, Flow])[] = [
  [world, 'cache.1', { to: '10.5.0.5' }],
  [world, 'syslog.1', { to: '10.3.0.2', port: 514, transport: 'udp', backend: '10.3.1.10' }],
  [world, 'outside', { to: '172.16.130.140', port: 5140, transport: 'udp', backend: '10.255.0.11' }],
  [world, 'outside', { to: '172.16.130.140', port: 8443 }],
  [world, 'outside', { to: '172.16.130.140', port: 9100 }],
  [world, 'node:node1', { to: '127.0.0.1', port: 8443 }],
  [world, 'metrics.1', { to: '172.16.130.140', port: 8000, backend: '10.255.0.8' }],
  [world, 'web.1', { to: '10.2.0.20', backend: '10.2.0.8' }],
  [world, 'pod.1', { to: '10.244.2.129' }],
  [world, 'pod.2', { to: '10.244.1.196' }],
  [world, 'metrics.1', { to: '203.0.113.5', port: 443 }],
  [world, 'node:node2', { to: '10.244.1.196' }],
  [bjdt, 'bjdt_bjdt-dzwl-web.1', { to: '10.0.0.20', port: 8080, backend: '10.0.0.7' }],
  [bjdt, 'outside', { to: '172.16.130.170', port: 8000, backend: '10.255.0.10' }],
];

function firstOf(paths: readonly Path[]): Path {
  const [path] = paths;
  if (path === undefined) throw new Error('no path');
  return path;
}

/** Each object of the hosts on the way, once without it or with it damaged: who is blamed for what then happens. */
function blamed(change: (world: World, node: string, key: string) => World): { readonly kinds: Set<string>; readonly wrong: string[] } {
  const kinds = new Set<string>();
  const wrong: string[] = [];
  for (const [whole, from, sought] of flows) {
    const way = firstOf(flow(whole, from, sought));
    expect(way.verdict.outcome).toBe('delivered');
    const onWay = nodes.filter((node) => [...way.forward, ...way.reply].some(({ place }) => place.node === node));
    for (const node of onWay) {
      for (const { key, kind } of whole.host(node)?.things ?? []) {
        const { verdict } = firstOf(flow(change(whole, node, key), from, sought));
        if (verdict.outcome === 'delivered') continue;
        kinds.add(kind);
        if (verdict.object?.key !== key || verdict.object.node !== node)
          wrong.push(`${from} ${sought.to}: ${node} ${key}: ${verdict.object?.key}: ${verdict.reason}`);
        if (verdict.reason === '' || verdict.fix === null || verdict.hop === null) wrong.push(`${node} ${key}: not told`);
      }
    }
  }
  return { kinds, wrong };
}

const neededKinds = [
  'address',
  'bridge',
  'fdb',
  'gateway-policy',
  'mark',
  'namespace',
  'neighbour',
  'port-forward',
  'port-redirect',
  'real-server',
  'route',
  'route-rule',
  'rule-entry',
  'source-rewrite',
  'sysctl',
  'veth',
  'virtual-server',
  'vxlan',
];

describe('whatever one object is missing', () => {
  it('it is blamed, or nothing happens', { timeout: 60_000 }, () => {
    const { kinds, wrong } = blamed(without);
    expect(wrong).toEqual([]);
    expect([...kinds].sort()).toEqual(neededKinds);
  });

  it('and a damaged one is like a missing one', { timeout: 60_000 }, () => {
    const { kinds, wrong } = blamed(damaged);
    expect(wrong).toEqual([]);
    expect([...kinds].sort()).toEqual(neededKinds);
  });

  it('an answer that goes past the load balancer comes from the wrong address', () => {
    const gone = without(bjdt, 'node1', 'source-rewrite/own:lb_5mckih8b5/10.0.0.0/24');
    const { verdict } = only(flow(gone, 'bjdt_bjdt-dzwl-web.1', { to: '10.0.0.20', port: 8080, backend: '10.0.0.7' }));
    expect(verdict).toMatchObject({
      outcome: 'asymmetric',
      inReply: true,
      to: 'endpoint bjdt_bjdt-dzwl.2',
      object: { kind: 'source-rewrite', node: 'node1', origin: null },
    });
  });

  it('the origin of a damaged one is that of the object', () => {
    const key = 'virtual-server/own:lb_5mckih8b5/329';
    const { verdict } = only(flow(damaged(bjdt, 'node1', key), 'bjdt_bjdt-dzwl-web.1', { to: '10.0.0.20', port: 8080 }));
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { key, origin: { service: 'bjdt_bjdt-dzwl' } } });
    expect(verdict.reason).toContain('damaged');
  });
});

describe('hosts', () => {
  const sought = { to: '10.0.0.20', port: 8080, backend: '10.0.0.7' };
  const change = (more: (kernel: HostKernel) => HostKernel | undefined, node = 'node2') =>
    only(flow(withHost(bjdt, node, more), 'bjdt_bjdt-dzwl-web.1', sought));

  it('that do not answer', () => {
    const { verdict, forward } = change((kernel) => ({ ...kernel, unreachable: true }));
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { kind: 'fdb' }, hop: forward.length - 1 });
    expect(forward.at(-1)).toMatchObject({ kind: 'drop', place: { space: 'underlay' } });
    expect(change((kernel) => ({ ...kernel, unreachable: true }), 'node1').verdict).toMatchObject({ outcome: 'unreachable', hop: null });
  });

  it('of which nothing is known', () => {
    expect(change(() => undefined).verdict).toMatchObject({ outcome: 'unknown', object: { kind: 'fdb' } });
    expect(change(() => undefined, 'node1').verdict).toMatchObject({ outcome: 'unknown', hop: null });
  });

  it('on which the namespace of an endpoint is gone', () => {
    const gone = (kernel: HostKernel): HostKernel => ({ ...kernel, absentEndpoints: new Set(bjdt.snapshot.endpoints.keys()) });
    const { verdict } = change(gone);
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { kind: 'namespace', node: 'node2' } });
    expect(change(gone, 'node1').verdict).toMatchObject({ outcome: 'unreachable', hop: null });
  });

  it('with a real server less, down to none', () => {
    const isReal = ({ key }: { readonly key: string }) => key.startsWith('real-server/own:lb_5mckih8b5/329/');
    const none = withHost(bjdt, 'node1', (kernel) => ({ ...kernel, things: kernel.things.filter((thing) => !isReal(thing)) }));
    const { verdict } = only(flow(none, 'bjdt_bjdt-dzwl-web.1', { to: '10.0.0.20', port: 8080 }));
    expect(verdict).toMatchObject({ outcome: 'no-backend', object: { kind: 'real-server' }, to: null });
  });
});

describe('rules that are not ours', () => {
  const by = (chain: string, text: string, node = 'node3'): Path => {
    const obstruction: Obstruction = { space: 'host', chain, text };
    return firstOf(
      flow(
        withHost(bjdt, node, (kernel) => ({ ...kernel, obstructions: [obstruction] })),
        'outside',
        { to: '172.16.130.170', port: 8000 },
      ),
    );
  };

  it.each([
    ['filter/FORWARD', '-A FORWARD -j DROP'],
    ['filter/FORWARD', '-A FORWARD -i eth0 -p tcp -m tcp --dport 8000 -j DROP'],
    ['raw/PREROUTING', '-A PREROUTING -s 198.51.100.0/24 -j DROP'],
    ['mangle/POSTROUTING', ':POSTROUTING DROP'],
    ['mangle/FORWARD', '-A FORWARD ! -d 10.0.0.0/8 -m comment --comment "a b" -j DROP'],
  ])('in %s: %s', (chain, text) => {
    const { verdict, forward } = by(chain, text);
    expect(verdict).toMatchObject({ outcome: 'dropped', object: { node: 'node3', kind: 'rule-entry' } });
    expect(verdict.reason).toContain(text);
    expect(forward.at(-1)).toMatchObject({ kind: 'drop', effect: 'drop' });
  });

  it.each([
    ['filter/FORWARD', '-A FORWARD -s 203.0.113.0/24 -j DROP'],
    ['filter/FORWARD', '-A FORWARD -o docker0 -j DROP'],
    ['filter/FORWARD', '-A FORWARD -m conntrack --ctstate INVALID -j DROP'],
    ['filter/FORWARD', '-A FORWARD -p tcp -m tcp --dport 22:23 -j DROP'],
    ['filter/INPUT', '-A INPUT -p tcp -j DROP'],
    ['raw/PREROUTING', '-A PREROUTING ! -s 198.51.100.0/24 -i eth0 -p tcp -j DROP'],
  ])('of other packets pass: %s %s', (chain, text) => {
    expect(by(chain, text).verdict.outcome).toBe('delivered');
  });

  it('take the outer packet, too', () => {
    const { verdict } = by('raw/PREROUTING', '-A PREROUTING -p udp -m udp --dport 4789 -j DROP', 'node2');
    expect(verdict).toMatchObject({ outcome: 'dropped', object: { node: 'node2' } });
  });

  it('take the answer', () => {
    const { verdict } = by('filter/FORWARD', '-A FORWARD -i ptl_gwbridge -j DROP');
    expect(verdict).toMatchObject({ outcome: 'no-reply', inReply: true, object: { kind: 'rule-entry' } });
  });
});

describe('packets that are too big', () => {
  const sought = { to: '10.0.0.20', port: 8080, backend: '10.0.0.7' };

  it('for the device of the sender, unless they may be fragmented', () => {
    const { verdict, forward } = only(flow(bjdt, 'bjdt_bjdt-dzwl-web.1', { ...sought, size: 1451 }));
    expect(verdict).toMatchObject({ outcome: 'too-big', object: { kind: 'veth' }, hop: forward.length - 1 });
    expect(only(flow(bjdt, 'bjdt_bjdt-dzwl-web.1', { ...sought, size: 1450 })).verdict.outcome).toBe('delivered');
    expect(only(flow(bjdt, 'bjdt_bjdt-dzwl-web.1', { ...sought, size: 1451, df: false })).verdict.outcome).toBe('delivered');
  });

  it('for the underlay, with the headers around them', () => {
    const narrow = withHost(bjdt, 'node1', (kernel) => ({ ...kernel, underlayMtu: 1499 }));
    const { verdict } = only(flow(narrow, 'bjdt_bjdt-dzwl-web.1', { ...sought, size: 1450 }));
    expect(verdict).toMatchObject({ outcome: 'too-big', object: { kind: 'vxlan', node: 'node1' } });
    expect(verdict.reason).toContain('room for 1449');
    const far = withHost(bjdt, 'node2', (kernel) => ({ ...kernel, underlayMtu: 1499 }));
    expect(only(flow(far, 'bjdt_bjdt-dzwl-web.1', { ...sought, size: 1450 })).verdict).toMatchObject({ outcome: 'too-big', inReply: false });
  });
});
