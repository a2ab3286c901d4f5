import type { Node, Snapshot } from '@portolan/model';
import { emptySnapshot, nodeDefaults } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { watchersOf } from '../src/index.js';
import { type ClusterSketch, idOf, snapshotOf } from './snapshots.js';
import { bodyOf, edited, stateOf } from './states.js';

const healthCheck = { kind: 'http', port: 9000, path: '/up', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } as const;
const watched: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { ingress: '10.255.0.2', front: '10.1.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { ingress: '10.255.0.3', front: '10.1.0.3' } },
  ],
  networks: [
    { name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' },
    { name: 'front', vni: 4097, subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
  ],
  services: [
    { name: 'web', on: { ingress: ['10.255.0.9', 500], front: ['10.1.0.9', 501] }, ports: [{ published: 8000, target: 80 }], healthCheck },
    { name: 'edge', on: { ingress: ['10.255.0.8', 502] }, ports: [{ published: 8001, target: 80 }], healthCheck },
    { name: 'plain', on: { front: ['10.1.0.7', 503] } },
  ],
  endpoints: [
    { name: 'web1', service: 'web', node: 'node1', on: { ingress: '10.255.0.11', front: '10.1.0.11' } },
    { name: 'web2', service: 'web', node: 'node2', on: { ingress: '10.255.0.12', front: '10.1.0.12' } },
    { name: 'edge1', service: 'edge', node: 'node1', on: { ingress: '10.255.0.13' } },
    { name: 'plain1', service: 'plain', node: 'node1', on: { front: '10.1.0.13' } },
  ],
};

describe('probes', () => {
  const state = stateOf(snapshotOf(watched), 'node1');

  it('are of the own endpoints with a health check, from the load balancer of a network that they are used by', () => {
    expect(state.watch.probes).toEqual({
      [idOf('web1')]: { ...healthCheck, space: 'own:lb_front0000', address: '10.1.0.11' },
      [idOf('edge1')]: { ...healthCheck, space: 'own:ingress_sbox', address: '10.255.0.13' },
    });
  });

  it('get through the filter of an endpoint that has the ingress network only', () => {
    const open = (name: string, address: string) => bodyOf(state, `endpoint-filter/endpoint:${idOf(name)}/${address}`);
    expect(open('edge1', '10.255.0.13')).toMatchObject({ open: [{ port: 80 }, { protocol: 'tcp', port: 9000 }] });
    expect(open('web1', '10.255.0.11')).toMatchObject({ open: [{ protocol: 'tcp', port: 80 }] });
  });

  it('go on whatever the endpoint is seen to be', () => {
    const absent = edited(snapshotOf(watched), { endpoints: { web1: { presence: 'absent', health: 'unhealthy' } } });
    expect(stateOf(absent, 'node1').watch.probes).toEqual(state.watch.probes);
  });
});

describe('draining endpoints', () => {
  const leaving = (drained: boolean) => ({ drain: { revision: 2, deadline: 0, removes: false, drained } });

  it('are counted on their node until they are drained, and change the hash of the state', () => {
    const snapshot = snapshotOf(watched);
    const changed = edited(snapshot, { endpoints: { web1: leaving(false), web2: leaving(false), plain1: leaving(true) } });
    expect(stateOf(changed, 'node1').watch.draining).toEqual([idOf('web1')]);
    expect(stateOf(edited(changed, { endpoints: { web1: leaving(true) } }), 'node1').watch.draining).toEqual([]);
    expect(stateOf(changed, 'node1').hash).not.toBe(stateOf(edited(changed, { endpoints: { web1: leaving(true) } }), 'node1').hash);
  });
});

describe('silent nodes', () => {
  /** Nodes a, b, c … with these conditions. */
  function nodes(...conditions: Node['condition'][]): Snapshot {
    const named = conditions.map((condition, i): Node => {
      const name = String.fromCharCode(97 + i);
      return { ...nodeDefaults, id: idOf(name), name, condition, address: `172.16.0.${i + 1}` };
    });
    return { ...emptySnapshot(), nodes: new Map(named.map((node) => [node.id, node])) };
  }
  const watchers = (snapshot: Snapshot, silent: string) =>
    [...snapshot.nodes.values()].flatMap(({ name }) => (stateOf(snapshot, name).watch.nodes[idOf(silent)] === undefined ? [] : [name])).join('');

  it('are watched by three that are up, which follow them', () => {
    expect(watchers(nodes('up', 'silent', 'up', 'silent', 'up', 'up', 'up'), 'b')).toBe('cef');
    expect(watchers(nodes('up', 'up', 'up', 'up', 'unreachable'), 'e')).toBe('abc');
    expect(stateOf(nodes('up', 'silent', 'up'), 'a').watch.nodes).toEqual({ [idOf('b')]: '172.16.0.2' });
  });

  it('are watched by the same nodes whoever asks', () => {
    const snapshot = nodes('up', 'silent', 'up', 'silent', 'up', 'up', 'up');
    expect([...watchersOf(snapshot, idOf('b'))].sort()).toEqual(['c', 'e', 'f'].map(idOf));
    expect(watchersOf(snapshot, idOf('a'))).toEqual([]);
  });

  it('are watched by those of which nothing is known where too few are up, and never by silent ones', () => {
    expect(watchers(nodes('silent', 'unknown', 'up', 'silent', 'unknown', 'unknown'), 'd')).toBe('cef');
    expect(watchers(nodes('silent', 'silent', 'unreachable'), 'a')).toBe('');
  });

  it('spread over the others', () => {
    const half = nodes(...Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? ('silent' as const) : ('up' as const))));
    expect([...half.nodes.values()].map(({ name }) => Object.keys(stateOf(half, name).watch.nodes).length)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0 : 3)),
    );
  });

  it('are nobody to look at while every node is up or was never seen', () => {
    expect(stateOf(nodes('up', 'unknown', 'up'), 'a').watch.nodes).toEqual({});
  });
});
