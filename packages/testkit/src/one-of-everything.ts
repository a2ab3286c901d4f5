import { applyManifest } from '@portolan/intent';
import type { Drain, Endpoint, EndpointSpec, Manifest, Node, Snapshot } from '@portolan/model';
import { emptySnapshot } from './empty.js';
import { seededIds } from './ids.js';
import { eachOf, seenWhole } from './seen.js';

function endpoint(name: string, node: string, more: Partial<EndpointSpec> = {}): EndpointSpec {
  return { name, service: name.slice(0, name.indexOf('.')), node, attachment: { netns: `/run/netns/${name}` }, ...more };
}

/** One of everything that the data plane can have; see the README for who is on what. */
export const dataPlaneManifest: Manifest = {
  settings: { tcpKeepalive: 600, dnsServers: ['192.0.2.53', '192.0.2.54'] },
  nodes: [
    { name: 'node1', role: 'manager', address: '172.16.130.140' },
    { name: 'node2', address: '172.16.130.164' },
    { name: 'node3', address: '172.16.130.170' },
  ],
  networks: [
    { name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16' },
    { name: 'front', vni: 4097, subnet: '10.1.0.0/24', ipvsTimeouts: { tcp: 3600, tcpFin: 60, udp: 120 } },
    { name: 'back', vni: 4098, subnet: '10.2.0.0/24', internal: true },
    { name: 'wide', vni: 4099, subnet: '10.3.0.0/28', gateway: '10.3.0.14', extraSubnets: [{ subnet: '10.3.1.0/24', gateway: '10.3.1.1', vni: 4100 }] },
    { name: 'lan', vni: 4101, subnet: '10.4.0.0/24', attachable: true, mtu: 1400 },
    { name: 'direct', vni: 4102, subnet: '10.5.0.0/24', dsr: true },
  ],
  services: [
    {
      name: 'web',
      networks: [
        { network: 'front', vip: '10.1.0.20', mark: 0x10001, aliases: ['www'] },
        { network: 'back', vip: '10.2.0.20', mark: 0x10002, aliases: ['web-inside', 'www'] },
        { network: 'ingress', vip: '10.255.0.20', mark: 0x10003 },
      ],
      ports: [
        { published: 8000, target: 80 },
        { published: 8443, target: 443, externalTrafficPolicy: 'local' },
      ],
      scheduler: 'wrr',
      healthCheck: { kind: 'http', port: 80, path: '/healthz' },
      drainSeconds: 10,
    },
    { name: 'db', endpointMode: 'dnsrr', networks: [{ network: 'back', aliases: ['database'] }] },
    {
      name: 'syslog',
      networks: [
        { network: 'wide', vip: '10.3.0.2', mark: 0x10004 },
        { network: 'ingress', vip: '10.255.0.21', mark: 0x10005 },
      ],
      ports: [{ published: 5140, target: 514, protocol: 'udp', addresses: ['172.16.130.0/24', '192.0.2.10'] }],
    },
    {
      name: 'metrics',
      networks: [{ network: 'lan', vip: '10.4.0.20', mark: 0x10006 }],
      ports: [{ published: 9100, target: 9100, mode: 'host', interfaces: ['eth0'] }],
    },
    { name: 'cache', networks: [{ network: 'direct', vip: '10.5.0.20', mark: 0x10007 }], scheduler: 'sh', persistence: 300 },
  ],
  endpoints: [
    endpoint('web.1', 'node1', { weight: 2 }),
    endpoint('web.2', 'node2'),
    endpoint('web.3', 'node3'),
    endpoint('web.4', 'node2'),
    endpoint('db.1', 'node1', { aliases: ['primary'] }),
    endpoint('db.2', 'node2'),
    endpoint('db.3', 'node3'),
    endpoint('syslog.1', 'node1'),
    endpoint('syslog.2', 'node2'),
    endpoint('syslog.3', 'node3', { addresses: [{ network: 'wide', address: '10.3.1.10' }] }),
    endpoint('metrics.1', 'node1'),
    endpoint('metrics.2', 'node2'),
    endpoint('metrics.3', 'node3', { attachment: { container: 'metrics' } }),
    endpoint('cache.1', 'node1'),
    endpoint('cache.2', 'node2', { weight: 3 }),
    { name: 'debug', networks: ['lan'], node: 'node1', attachment: { pid: 4242 }, aliases: ['toolbox'] },
  ],
};

/** 2027-01-15T08:00:00Z. */
export const DATA_PLANE_DEADLINE = 1_800_000_000_000;
const leaving: Drain = { revision: 3, deadline: DATA_PLANE_DEADLINE, removes: true, drained: false };

const lives: Readonly<Record<string, Partial<Endpoint>>> = {
  'web.1': { health: 'healthy' },
  'web.2': { health: 'healthy', drain: leaving },
  'web.3': { health: 'unhealthy' },
  'web.4': { health: 'healthy' },
  'db.3': { presence: 'unknown' },
  'syslog.2': { presence: 'absent' },
};

/**
 * At revision 3: `web.2` drains, `web.3` is unhealthy, `syslog.2` is absent, `db.3` was not seen yet, the others are
 * there; `node3` is silent.
 */
export function dataPlaneSnapshot(): Snapshot {
  const snapshot = seenWhole(applyManifest(emptySnapshot('lab'), dataPlaneManifest, seededIds(2), { now: 0 }));
  return {
    ...snapshot,
    cluster: { ...snapshot.cluster, revision: 3 },
    nodes: eachOf(snapshot.nodes, (node): Node => (node.name === 'node3' ? { ...node, condition: 'silent' } : node)),
    endpoints: eachOf(snapshot.endpoints, (own): Endpoint => ({ ...own, ...lives[own.name] })),
  };
}
