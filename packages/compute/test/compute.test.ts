import { isDeepStrictEqual } from 'node:util';
import type { Snapshot } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { computeNodeState } from '../src/index.js';
import { bjdt, type ClusterSketch, idOf, snapshotOf } from './snapshots.js';
import { bodies, keys } from './states.js';

/** The example with one endpoint, service or node changed. */
function changed(change: { endpoints?: Record<string, object>; services?: Record<string, object>; nodes?: Record<string, object> }): Snapshot {
  const apply = <T extends { name: string }>(nouns: readonly T[], changes: Record<string, object> = {}) =>
    nouns.map((noun) => ({ ...noun, ...changes[noun.name] }));
  const sketch: ClusterSketch = {
    ...bjdt,
    endpoints: apply(bjdt.endpoints, change.endpoints),
    services: apply(bjdt.services, change.services),
    nodes: apply(bjdt.nodes, change.nodes),
  };
  return snapshotOf(sketch);
}

describe('the example', () => {
  it('has one load balancer namespace for both services, and the mark 0x149 on the VIP 10.0.0.20', () => {
    const state = computeNodeState(snapshotOf(bjdt), idOf('node3'));
    expect(keys(state, 'namespace/')).toEqual([
      'namespace/own:1-0fkrpfqbcp',
      'namespace/own:1-5mckih8b5j',
      'namespace/own:ingress_sbox',
      'namespace/own:lb_5mckih8b5',
    ]);
    const mark = state.objects.find(({ key }) => key === 'mark/own:lb_5mckih8b5/input/10.0.0.20');
    expect(mark?.body).toEqual({ kind: 'mark', match: { stage: 'input', destination: '10.0.0.20' }, mark: 329 });
  });

  it('makes peers of other nodes only', () => {
    expect(keys(computeNodeState(snapshotOf(bjdt), idOf('node3')), 'neighbour/own:1-5mckih8b5j')).toEqual(
      ['10.0.0.21', '10.0.0.22', '10.0.0.31', '10.0.0.32', '10.0.0.5', '10.0.0.6'].map((a) => `neighbour/own:1-5mckih8b5j/vxlan0/${a}`),
    );
  });
});

describe('who is sent traffic', () => {
  const servers = (snapshot: Snapshot, node = 'node1') => keys(computeNodeState(snapshot, idOf(node)), 'real-server/own:lb_5mckih8b5/329/');

  it('nobody whose namespace is absent, and nobody is told where it was', () => {
    const snapshot = changed({ endpoints: { 'dzwl-2': { presence: 'absent' } } });
    expect(servers(snapshot)).toEqual(['real-server/own:lb_5mckih8b5/329/10.0.0.21', 'real-server/own:lb_5mckih8b5/329/10.0.0.23']);
    expect(keys(computeNodeState(snapshot, idOf('node1'))).filter((key) => key.includes('10.0.0.22'))).toEqual([]);
  });

  it('an absent endpoint keeps everything of its own on its node, for the day it is back', () => {
    const own = (snapshot: Snapshot) => keys(computeNodeState(snapshot, idOf('node2'))).filter((key) => key.includes(`endpoint:${idOf('dzwl-2')}`));
    expect(own(changed({ endpoints: { 'dzwl-2': { presence: 'absent' } } }))).toEqual(own(snapshotOf(bjdt)));
    expect(own(snapshotOf(bjdt)).length).toBeGreaterThan(3);
  });

  it('nobody of whom nothing is known yet, but the others can reach it already', () => {
    const snapshot = changed({ endpoints: { 'dzwl-2': { presence: 'unknown' } } });
    expect(servers(snapshot)).toHaveLength(2);
    expect(keys(computeNodeState(snapshot, idOf('node1')), 'neighbour/own:1-5mckih8b5j/vxlan0/10.0.0.22')).toHaveLength(1);
  });

  const weights = (snapshot: Snapshot) =>
    bodies(computeNodeState(snapshot, idOf('node1')), 'real-server', 'own:lb_5mckih8b5').flatMap(({ mark, address, weight }) =>
      mark === 329 ? [`${address} ${weight}`] : [],
    );

  it('nobody new on a drained node or at an endpoint that leaves, whose connections go on at weight 0', () => {
    const drain = { revision: 2, deadline: 0, removes: true, drained: false };
    expect(weights(changed({ nodes: { node2: { availability: 'drain' } } }))).toEqual(['10.0.0.21 1', '10.0.0.22 0', '10.0.0.23 1']);
    expect(weights(changed({ nodes: { node2: { availability: 'pause' } } }))).toEqual(['10.0.0.21 1', '10.0.0.22 1', '10.0.0.23 1']);
    expect(weights(changed({ endpoints: { 'dzwl-2': { drain } } }))).toEqual(['10.0.0.21 1', '10.0.0.22 0', '10.0.0.23 1']);
  });

  it('nobody on a node that is unreachable; one that is silent changes nothing', () => {
    expect(weights(changed({ nodes: { node2: { condition: 'unreachable' } } }))).toEqual(['10.0.0.21 1', '10.0.0.23 1']);
    expect(weights(changed({ nodes: { node2: { condition: 'silent' } } }))).toHaveLength(3);
  });

  it('only healthy endpoints of a service with a health check', () => {
    const healthCheck = { kind: 'tcp', port: 8080, path: '', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } as const;
    const services = { 'bjdt_bjdt-dzwl': { healthCheck } };
    expect(weights(changed({ services }))).toEqual([]);
    const endpoints = { 'dzwl-1': { health: 'healthy' }, 'dzwl-2': { health: 'unhealthy' } };
    expect(weights(changed({ services, endpoints }))).toEqual(['10.0.0.21 1']);
  });

  it('by weight', () => {
    const state = computeNodeState(changed({ endpoints: { 'dzwl-2': { weight: 7 } } }), idOf('node1'));
    expect(state.objects.find(({ key }) => key === 'real-server/own:lb_5mckih8b5/329/10.0.0.22')?.body).toMatchObject({ weight: 7 });
  });
});

describe('where a network is', () => {
  const withoutWeb2: ClusterSketch = { ...bjdt, endpoints: bjdt.endpoints.filter(({ node }) => node !== 'node2') };

  it('nothing of it on a node without an endpoint on it, and no peer for that node; ingress is everywhere', () => {
    const snapshot = snapshotOf(withoutWeb2);
    const node2 = computeNodeState(snapshot, idOf('node2'));
    expect(keys(node2).filter((key) => key.includes('5mckih8b5'))).toEqual([]);
    expect(keys(node2, 'port-forward/')).toEqual(['port-forward/host/tcp/8000', 'port-forward/host/tcp/8080']);
    const node1 = keys(computeNodeState(snapshot, idOf('node1')), 'neighbour/');
    expect(node1).not.toContain('neighbour/own:1-5mckih8b5j/vxlan0/10.0.0.6');
    expect(node1).toContain('neighbour/own:1-0fkrpfqbcp/vxlan0/10.255.0.3');
  });

  const withoutIngress = (gatewayAddress: string | null): Snapshot => {
    const services = bjdt.services.map((service) => ({ ...service, ports: [], on: { bjdt_overlay: ['10.0.0.20', 329] as const } }));
    const endpoints = bjdt.endpoints.slice(0, 1).map((endpoint) => ({ ...endpoint, gatewayAddress, on: { bjdt_overlay: '10.0.0.21' } }));
    return snapshotOf({ ...bjdt, networks: bjdt.networks.filter(({ ingress }) => ingress !== true), services: services.slice(0, 1), endpoints });
  };

  it('without an ingress network and ways out the host is left alone, but for the names', () => {
    const state = computeNodeState(withoutIngress(null), idOf('node1'));
    const onHost = state.objects.filter(({ space, body }) => space === 'host' && !body.kind.startsWith('dns-'));
    expect(onHost).toEqual([]);
    expect(keys(state, 'namespace/')).toEqual(['namespace/own:1-5mckih8b5j', 'namespace/own:lb_5mckih8b5']);
  });

  it('without an ingress network the bridge and its policy are there where an endpoint reaches out by them', () => {
    const state = computeNodeState(withoutIngress('192.168.240.3'), idOf('node1'));
    expect(keys(state).filter((key) => key.includes('ptl_gwbridge'))).toEqual([
      'bridge/host/ptl_gwbridge',
      'address/host/ptl_gwbridge/192.168.240.1',
      'sysctl/host/net.ipv4.conf.ptl_gwbridge.route_localnet',
      'sysctl/host/net.ipv4.conf.ptl_gwbridge.rp_filter',
      'gateway-policy/host/ptl_gwbridge',
    ]);
    expect(keys(state, 'rule-entry/host/')).toHaveLength(4);
    expect(keys(computeNodeState(withoutIngress('192.168.240.3'), idOf('node2')))).toEqual([]);
  });

  it('a service without a network makes nothing', () => {
    const before = keys(computeNodeState(snapshotOf(bjdt), idOf('node1')));
    const after = keys(computeNodeState(snapshotOf({ ...bjdt, services: [...bjdt.services, { name: 'bare', on: {} }] }), idOf('node1')));
    expect(after).toEqual(before);
  });

  it('an unknown node is refused', () => {
    expect(() => computeNodeState(snapshotOf(bjdt), idOf('elsewhere'))).toThrow(expect.objectContaining({ code: 'not-found' }));
  });
});

describe('the state', () => {
  it('does not depend on the order in which the snapshot holds its nouns', () => {
    const turned = (sketch: ClusterSketch): ClusterSketch => ({
      ...sketch,
      nodes: sketch.nodes.toReversed(),
      networks: sketch.networks.toReversed(),
      services: sketch.services.toReversed(),
      endpoints: sketch.endpoints.toReversed(),
    });
    expect(computeNodeState(snapshotOf(turned(bjdt)), idOf('node1'))).toEqual(computeNodeState(snapshotOf(bjdt), idOf('node1')));
  });

  it('shares what does not depend on the node', () => {
    const snapshot = snapshotOf(bjdt);
    const find = (node: string) => computeNodeState(snapshot, idOf(node)).objects.find(({ key }) => key === 'virtual-server/own:lb_5mckih8b5/329');
    expect(find('node1')).toBe(find('node2'));
  });

  it('of the next snapshot shares what lies in networks that did not change, and equals one computed from nothing', () => {
    const snapshot = snapshotOf(bjdt);
    const added = snapshotOf({
      ...bjdt,
      endpoints: [...bjdt.endpoints, { name: 'lone', service: 'bjdtbjdtdzwl', node: 'node3', on: { bjdt_overlay: '10.0.0.24' } }],
    });
    const lone = added.endpoints.get(idOf('lone'));
    expect(lone).toBeDefined();
    const next: Snapshot = { ...snapshot, endpoints: new Map([...snapshot.endpoints, ...(lone === undefined ? [] : [[lone.id, lone] as const])]) };
    const [before, after] = [computeNodeState(snapshot, idOf('node1')), computeNodeState(next, idOf('node1'))];
    const find = (state: NodeState, key: string) => state.objects.find((object) => object.key === key);
    const [inIngress, inOverlay] = ['virtual-server/own:ingress_sbox/330', 'virtual-server/own:lb_5mckih8b5/329'];
    expect(find(after, inIngress)).toBe(find(before, inIngress));
    expect(find(after, inOverlay)).not.toBe(find(before, inOverlay));
    expect(after).toEqual(computeNodeState(added, idOf('node1')));
  });

  it.each([
    ['a node is drained', changed({ nodes: { node2: { availability: 'drain' } } })],
    ['a node moves', changed({ nodes: { node2: { address: '172.16.130.99' } } })],
    ['a VIP moves', changed({ services: { 'bjdt_bjdt-dzwl': { on: { bjdt_overlay: ['10.0.0.40', 329], ingress: ['10.255.0.41', 330] } } } })],
    ['a node is unreachable', changed({ nodes: { node2: { condition: 'unreachable' } } })],
    ['a node reports a smaller MTU', changed({ nodes: { node3: { underlayMtu: 1400 } } })],
    ['an alias comes', changed({ services: { 'bjdt_bjdt-dzwl': { aliases: { bjdt_overlay: ['backend'] } } } })],
    ['a policy changes', changed({ services: { 'bjdt_bjdt-dzwl': { on: { bjdt_overlay: ['10.0.0.20', 329], ingress: ['10.255.0.41', 330, 340] } } } })],
    ['settings change', { ...snapshotOf({ ...bjdt, settings: { dataPathPort: 4790 } }) }],
  ])('of the next snapshot is not the old one when %s', (_, changedSnapshot) => {
    const snapshot = snapshotOf(bjdt);
    const node1 = idOf('node1');
    const before = computeNodeState(snapshot, node1);
    // What is equal is the very object of the first snapshot, as after an edit.
    const shared = <T>(was: ReadonlyMap<string, T>, is: ReadonlyMap<string, T>) =>
      new Map([...is].map(([id, noun]) => [id, isDeepStrictEqual(noun, was.get(id)) ? (was.get(id) ?? noun) : noun]));
    const next: Snapshot = {
      ...changedSnapshot,
      cluster: isDeepStrictEqual(changedSnapshot.cluster, snapshot.cluster) ? snapshot.cluster : changedSnapshot.cluster,
      nodes: shared(snapshot.nodes, changedSnapshot.nodes),
      networks: snapshot.networks,
      services: shared(snapshot.services, changedSnapshot.services),
      endpoints: shared(snapshot.endpoints, changedSnapshot.endpoints),
    };
    const after = computeNodeState(next, node1);
    expect(after.hash).not.toBe(before.hash);
    expect(after).toEqual(computeNodeState(changedSnapshot, node1));
  });
});
