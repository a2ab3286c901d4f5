import type { Snapshot } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { type ClusterSketch, snapshotOf } from './snapshots.js';
import { bodies, bodyOf, edited, keys, stateOf } from './states.js';

const healthCheck = { kind: 'tcp', port: 80, path: '', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } as const;
const named: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { ingress: '10.255.0.2', front: '10.1.0.2', back: '10.2.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { ingress: '10.255.0.3', back: '10.2.0.3' } },
  ],
  networks: [
    { name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' },
    { name: 'front', vni: 4097, subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
    { name: 'back', vni: 4098, subnet: '10.2.0.0/24', gateway: '10.2.0.1', internal: true },
  ],
  services: [
    {
      name: 'Web',
      id: 'web'.padEnd(25, '0'),
      on: { ingress: ['10.255.0.9', 500], front: ['10.1.0.9', 501], back: ['10.2.0.9', 502] },
      aliases: { front: ['www'], back: ['WWW-inside'] },
      ports: [{ published: 8000, target: 80 }],
    },
    { name: 'db', endpointMode: 'dnsrr', on: { back: [] }, aliases: { back: ['store'] }, healthCheck },
  ],
  endpoints: [
    {
      name: 'web.1',
      id: 'web1'.padEnd(25, '0'),
      service: 'web',
      node: 'node1',
      gatewayAddress: '192.168.240.3',
      on: { front: '10.1.0.11', back: '10.2.0.11', ingress: '10.255.0.11' },
    },
    { name: 'db.1', service: 'db', node: 'node1', health: 'healthy', aliases: ['Primary'], on: { back: '10.2.0.100' } },
    { name: 'db.2', service: 'db', node: 'node2', health: 'healthy', on: { back: '10.2.0.22' } },
    { name: 'db.3', service: 'db', node: 'node2', health: 'unknown', on: { back: '10.2.0.4' } },
  ],
};
const drain = { revision: 2, deadline: 0, removes: true, drained: false };

/** `NETWORK/NAME` with its addresses; `own` behind a bar. */
function names(snapshot: Snapshot, node = 'node1'): Record<string, string> {
  return Object.fromEntries(
    bodies(stateOf(snapshot, node), 'dns-name', 'host').map(({ network, name, addresses, own }) => [
      `${network}/${name}`,
      [addresses.join(' '), ...(own === undefined ? [] : [`${own.service}: ${own.addresses.join(' ')}`])].join(' | '),
    ]),
  );
}

describe('names', () => {
  const snapshot = snapshotOf(named);

  it('lead to VIPs, endpoints and aliases, in lower case, ascending; nothing of ingress', () => {
    expect(names(snapshot)).toEqual({
      'front/web': '10.1.0.9',
      'front/www': '10.1.0.9',
      'front/tasks.web': '10.1.0.11',
      'front/tasks.www': '10.1.0.11',
      'front/web.1': '10.1.0.11',
      'back/web': '10.2.0.9',
      'back/www-inside': '10.2.0.9',
      'back/tasks.web': '10.2.0.11',
      'back/tasks.www-inside': '10.2.0.11',
      'back/web.1': '10.2.0.11',
      'back/db': '10.2.0.22 10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.100',
      'back/store': '10.2.0.22 10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.100',
      'back/tasks.db': '10.2.0.22 10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.100',
      'back/tasks.store': '10.2.0.22 10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.100',
      'back/db.1': '10.2.0.100',
      'back/primary': '10.2.0.100',
      'back/db.2': '10.2.0.22',
      'back/db.3': '10.2.0.4',
    });
  });

  it('lead back from the addresses of endpoints to their own names only', () => {
    const reverse = bodies(stateOf(snapshot, 'node1'), 'dns-name', 'host').filter((name) => name.reverse);
    expect(reverse.map(({ name }) => name)).toEqual(['db.1', 'db.2', 'db.3', 'web.1', 'web.1']);
  });

  it('are those of the networks that the node has, the same objects on each', () => {
    const [node1, node2] = [stateOf(snapshot, 'node1'), stateOf(snapshot, 'node2')];
    expect(keys(node2, 'dns-name/host/front')).toEqual([]);
    const find = (state: typeof node1) => state.objects.find(({ key }) => key === 'dns-name/host/back/db');
    expect(find(node1)).toBe(find(node2));
    expect(find(node1)).toBeDefined();
  });

  it('of a VIP are there without any endpoint; those of endpoints then lead nowhere', () => {
    const bare = snapshotOf({ ...named, endpoints: named.endpoints.filter(({ name }) => name === 'db.1') });
    expect(names(bare)).toMatchObject({ 'back/web': '10.2.0.9', 'back/tasks.web': '' });
    expect(names(edited(bare, { endpoints: { 'db.1': { presence: 'absent' } } }))).toEqual({
      'back/web': '10.2.0.9',
      'back/www-inside': '10.2.0.9',
      'back/tasks.web': '',
      'back/tasks.www-inside': '',
      'back/db': '',
      'back/store': '',
      'back/tasks.db': '',
      'back/tasks.store': '',
    });
  });

  it.each([
    ['leaves', { endpoints: { 'db.1': { drain } } }],
    ['is not there', { endpoints: { 'db.1': { presence: 'absent' as const } } }],
    ['was not seen yet', { endpoints: { 'db.1': { presence: 'unknown' as const } } }],
    ['is on an unreachable node', { nodes: { node1: { condition: 'unreachable' as const } } }],
    ['is on a drained node', { nodes: { node1: { availability: 'drain' as const } } }],
  ])('do not lead to an endpoint that %s, not for its own either', (_, change) => {
    const found = names(edited(snapshot, change), 'node2');
    expect(Object.keys(found)).not.toEqual(expect.arrayContaining(['back/db.1']));
    expect(found['back/primary']).toBeUndefined();
    expect(found['back/db']).toBe('10.2.0.22 | db: 10.2.0.4 10.2.0.22');
  });

  it('of an endpoint stay while it is unhealthy, and its service finds it still', () => {
    const found = names(edited(snapshot, { endpoints: { 'db.2': { health: 'unhealthy' } } }));
    expect(found['back/db.2']).toBe('10.2.0.22');
    expect(found['back/tasks.db']).toBe('10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.100');
  });

  it('say nothing more to members when all are healthy', () => {
    expect(names(edited(snapshot, { endpoints: { 'db.3': { health: 'healthy' } } }))['back/db']).toBe('10.2.0.4 10.2.0.22 10.2.0.100');
  });

  it('that several things have lead to all of them', () => {
    const shared = snapshotOf({
      ...named,
      services: [...named.services, { name: 'www-inside', on: { back: ['10.2.0.7', 503] } }],
      endpoints: [...named.endpoints, { name: 'DB', id: 'shared'.padEnd(25, '0'), service: null, node: 'node2', aliases: ['web'], on: { back: '10.2.0.50' } }],
    });
    expect(names(shared)).toMatchObject({
      'back/www-inside': '10.2.0.7 10.2.0.9',
      'back/web': '10.2.0.9 10.2.0.50',
      'back/db': '10.2.0.22 10.2.0.50 10.2.0.100 | db: 10.2.0.4 10.2.0.22 10.2.0.50 10.2.0.100',
    });
  });
});

describe('the name server', () => {
  const state = stateOf(snapshotOf({ ...named, settings: { dnsTtl: 7, dnsServers: ['192.0.2.53'] } }), 'node1');
  const [web1, db1] = ['web1'.padEnd(25, '0'), 'db1'.padEnd(25, '0')].map((id) => `endpoint:${id}`);

  it('answers by the settings of the cluster', () => {
    expect(bodies(state, 'dns-server', 'host')).toEqual([{ ttl: 7, upstreams: ['192.0.2.53'] }]);
  });

  it('is asked by endpoints about their networks in the order that was said, and forwards where there is a way out', () => {
    expect(bodies(state, 'dns-client', String(web1))).toEqual([{ port: 11053, networks: ['front', 'back'], service: 'Web', forwards: true }]);
    expect(bodies(state, 'dns-client', String(db1))).toEqual([{ port: 11053, networks: ['back'], service: 'db', forwards: false }]);
  });

  it('is where port 53 leads, in both directions', () => {
    expect(bodies(state, 'dns-redirect', String(db1))).toEqual([{ port: 11053 }]);
    expect(bodies(state, 'rule-entry', String(db1))).toEqual([
      { table: 'nat', stage: 'output' },
      { table: 'nat', stage: 'postrouting' },
    ]);
  });

  it('is on no node without endpoints that could ask', () => {
    const bare = snapshotOf({ ...named, endpoints: [{ name: 'web.1', service: 'web', node: 'node1', on: { ingress: '10.255.0.11' } }] });
    expect(keys(stateOf(bare, 'node1'), 'dns-')).toEqual([]);
    expect(bodyOf(stateOf(bare, 'node2'), 'dns-server/host')).toBeUndefined();
  });
});
