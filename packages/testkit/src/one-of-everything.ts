import { applyManifest, observeRegistry } from '@portolan/intent';
import type { Drain, Endpoint, EndpointSpec, FlannelLease, Manifest, Node, Snapshot } from '@portolan/model';
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
    endpoint('metrics.2', 'node2', { flannel: {} }),
    endpoint('metrics.3', 'node3', { attachment: { container: 'metrics' } }),
    endpoint('cache.1', 'node1'),
    endpoint('cache.2', 'node2', { weight: 3 }),
    { name: 'debug', networks: ['lan'], node: 'node1', attachment: { pid: 4242 }, aliases: ['toolbox'] },
    { name: 'pod.1', flannel: { address: '10.244.1.196' }, node: 'node1', attachment: { netns: '/run/netns/pod.1' } },
    { name: 'pod.2', flannel: {}, node: 'node2', attachment: { netns: '/run/netns/pod.2' } },
  ],
  flannel: { network: '10.244.0.0/16', backend: { type: 'vxlan', directRouting: true }, reservations: [{ node: 'node3', subnet: '10.244.4.0/24' }] },
};

/** What the registry holds: subnets of node1 and of node2, which has the backend before yet, the reservation of node3, and two foreign nodes, of which one is behind a router. */
function leases({ nodes }: Snapshot): ReadonlyMap<string, FlannelLease> {
  const of = (publicAddress: string, subnet: string, more: Partial<FlannelLease>): FlannelLease => ({
    key: subnet.replace('/', '-'),
    subnet,
    publicAddress,
    backendType: 'vxlan',
    vni: 1,
    vtepMac: null,
    nodeId: [...nodes.values()].find(({ address }) => address === publicAddress)?.id ?? null,
    reserved: false,
    fault: null,
    ...more,
  });
  const all = [
    of('172.16.130.140', '10.244.1.0/24', { vtepMac: '3a:c6:11:c1:b0:f0' }),
    of('172.16.130.164', '10.244.2.0/24', { backendType: 'host-gw', vni: null }),
    of('172.16.130.170', '10.244.4.0/24', { vtepMac: '6a:bb:89:b0:28:da', reserved: true }),
    of('172.16.130.201', '10.244.5.0/24', { vtepMac: '96:f0:23:7d:9a:15' }),
    of('192.0.2.9', '10.244.6.0/24', { vtepMac: '5e:1f:4a:b0:1b:00' }),
  ];
  return new Map(all.map((lease) => [lease.key, lease]));
}

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
 * there; `node3` is silent. The backend of flannel was host-gw before, and is so yet for node2.
 */
export function dataPlaneSnapshot(): Snapshot {
  const made = seenWhole(applyManifest(emptySnapshot('lab'), dataPlaneManifest, seededIds(2), { now: 0 }));
  const snapshot = observeRegistry(made, leases(made));
  return {
    ...snapshot,
    cluster: { ...snapshot.cluster, revision: 3 },
    nodes: eachOf(snapshot.nodes, (node): Node => (node.name === 'node3' ? { ...node, condition: 'silent' } : node)),
    endpoints: eachOf(snapshot.endpoints, (own): Endpoint => ({ ...own, ...lives[own.name] })),
    flannel: snapshot.flannel === null ? null : { ...snapshot.flannel, retiring: [{ type: 'host-gw' }] },
  };
}
