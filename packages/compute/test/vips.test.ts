import { describe, expect, it } from 'vitest';
import { type ClusterSketch, idOf, snapshotOf } from './snapshots.js';
import { edited, stateOf } from './states.js';

const healthCheck = { kind: 'tcp', port: 9000, path: '/', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2 } as const;
const dials = { dialsVips: true } as const;
const sketch: ClusterSketch = {
  nodes: [
    { name: 'node1', address: '172.16.0.1', on: { ingress: '10.255.0.2', front: '10.1.0.2', direct: '10.2.0.2' } },
    { name: 'node2', address: '172.16.0.2', on: { ingress: '10.255.0.3', front: '10.1.0.3', direct: '10.2.0.3' } },
  ],
  networks: [
    { name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' },
    { name: 'front', vni: 4097, subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
    { name: 'direct', vni: 4098, subnet: '10.2.0.0/24', gateway: '10.2.0.1', dsr: true },
  ],
  services: [
    {
      name: 'web',
      on: { ingress: ['10.255.0.9', 500, 510], front: ['10.1.0.9', 501], direct: ['10.2.0.9', 502] },
      ports: [
        { published: 8000, target: 80 },
        { published: 8001, target: 81, externalTrafficPolicy: 'local' },
        { published: 8002, target: 82, protocol: 'udp' },
        { published: 8003, target: 83, interfaces: ['eth1'] },
        { published: 8004, target: 84, addresses: ['172.16.0.2'] },
        { published: 8005, target: 85, mode: 'host' },
      ],
    },
    { name: 'db', on: { front: ['10.1.0.8', 503], direct: ['10.2.0.8', 504] }, healthCheck },
    { name: 'mute', on: { front: ['10.1.0.7', 505] } },
    { name: 'names', on: { front: [] }, healthCheck },
    { name: 'idle', on: { front: ['10.1.0.6', 506] }, healthCheck },
  ],
  endpoints: [
    { name: 'web1', service: 'web', node: 'node1', on: { ingress: '10.255.0.11', front: '10.1.0.11', direct: '10.2.0.11' } },
    { name: 'web2', service: 'web', node: 'node1', on: { ingress: '10.255.0.12', front: '10.1.0.12' } },
    { name: 'db1', service: 'db', node: 'node2', on: { front: '10.1.0.13', direct: '10.2.0.13' }, health: 'healthy' },
    { name: 'mute1', service: 'mute', node: 'node1', on: { front: '10.1.0.14' } },
    { name: 'names1', service: 'names', node: 'node2', on: { front: '10.1.0.15' }, health: 'healthy' },
    { name: 'idle1', service: 'idle', node: 'node2', on: { front: '10.1.0.16' }, health: 'healthy', weight: 0 },
  ],
};
const snapshot = snapshotOf(sketch);
const key = (service: string, network: string, port: number) => `${idOf(service)}/${idOf(network)}/${port}`;

describe('VIPs to dial', () => {
  it('are those that lead to somebody at a known port of TCP, dialled as a client of each would', () => {
    const host1 = { space: 'host', address: '172.16.0.1' };
    expect(stateOf(snapshot, 'node1', dials).watch.vips).toEqual({
      // mute1 comes first by id, and is as good as any.
      [key('web', 'front', 80)]: { space: `endpoint:${idOf('mute1')}`, address: '10.1.0.9', port: 80 },
      [key('db', 'front', 9000)]: { space: `endpoint:${idOf('mute1')}`, address: '10.1.0.8', port: 9000 },
      // With direct return web1 has its own VIP on lo, and is no client of it.
      [key('db', 'direct', 9000)]: { space: `endpoint:${idOf('web1')}`, address: '10.2.0.8', port: 9000 },
      [key('web', 'ingress', 8000)]: { ...host1, port: 8000 },
      [key('web', 'ingress', 8001)]: { ...host1, port: 8001 },
    });
    // No endpoint of its own for policy local; a port of its address alone.
    const ports = Object.values(stateOf(snapshot, 'node2', dials).watch.vips ?? {}).flatMap(({ space, port }) => (space === 'host' ? [port] : []));
    expect(ports).toEqual([8000, 8004]);
  });

  it('each have the objects in the state that the dial relies on', () => {
    for (const node of ['node1', 'node2']) {
      const { watch, objects, address } = stateOf(snapshot, node, dials);
      for (const { space, address: to, port } of Object.values(watch.vips ?? {})) {
        const way = objects.filter(({ body }) =>
          space === 'host'
            ? (body.kind === 'port-forward' && body.port === port && body.protocol === 'tcp') ||
              (body.kind === 'mark' && body.match.stage === 'prerouting' && body.match.port === port)
            : (body.kind === 'mark' && body.match.stage === 'input' && body.match.destination === to) || (body.kind === 'address' && body.address === to),
        );
        expect(way.map(({ body }) => body.kind).sort()).toEqual(space === 'host' ? ['mark', 'port-forward'] : ['address', 'mark']);
        if (space === 'host') expect(to).toBe(address);
        else expect(objects.some((object) => object.space === space)).toBe(true);
      }
    }
  });

  it('stay as they are when endpoints of any service come and go, but for the last of their own', () => {
    const { vips } = stateOf(snapshot, 'node1', dials).watch;
    const changed = edited(snapshot, { endpoints: { web2: { presence: 'absent' }, idle1: { presence: 'absent' }, names1: { weight: 0 } } });
    expect(stateOf(changed, 'node1', dials).watch.vips).toEqual(vips);
    const gone = edited(snapshot, { endpoints: { db1: { health: 'unhealthy' } } });
    const { [key('db', 'front', 9000)]: _front, [key('db', 'direct', 9000)]: _direct, ...others } = vips ?? {};
    expect(stateOf(gone, 'node1', dials).watch.vips).toEqual(others);
    // Who was to dial is not there: somebody else does.
    const without = stateOf(edited(snapshot, { endpoints: { mute1: { presence: 'absent' } } }), 'node1', dials).watch.vips;
    expect(without?.[key('db', 'front', 9000)]?.space).toBe(`endpoint:${idOf('web1')}`);
  });

  it('are left out where there are none, as is the drift policy unless it is to report only', () => {
    const bare = snapshotOf({ ...sketch, services: [], endpoints: [] });
    expect(Object.keys(stateOf(bare, 'node1', dials).watch)).toEqual(['probes', 'nodes', 'draining']);
    const reporting = snapshotOf({ ...sketch, services: [], endpoints: [], settings: { driftPolicy: 'report' } });
    expect(stateOf(reporting, 'node1').watch).toMatchObject({ driftPolicy: 'report' });
    expect(stateOf(reporting, 'node1').hash).not.toBe(stateOf(bare, 'node1').hash);
  });
});
