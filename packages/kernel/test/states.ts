import { computeNodeState } from '@portolan/compute';
import type { Snapshot } from '@portolan/model';
import { type KernelObject, kernelObject, type NodeState, nodeState, type ObjectBody, type Space } from '@portolan/node-state';
import { dataPlaneSnapshot, sampleSnapshot } from '@portolan/testkit';
import type { ThrowawayHost } from './throwaway-host.js';

/** What needs IPVS, which the kernel under the tests may lack. */
function needsIpvs({ body }: KernelObject): boolean {
  switch (body.kind) {
    case 'ipvs-timeouts':
    case 'virtual-server':
    case 'real-server':
    case 'source-rewrite':
      return true;
    case 'sysctl':
      return body.name.includes('.vs.');
    default:
      return false;
  }
}

export function withoutIpvs(state: NodeState): NodeState {
  return nodeState({ ...state, objects: state.objects.filter((object) => !needsIpvs(object)) });
}

/** The state of the named node, with its endpoints in containers of the host. */
export function stateOf(host: ThrowawayHost, snapshot: Snapshot, node: string): NodeState {
  const id = [...snapshot.nodes.values()].find(({ name }) => name === node)?.id;
  if (id === undefined) throw new Error(`no node ${node}`);
  const state = computeNodeState(snapshot, id);
  const endpoints = Object.fromEntries(Object.entries(state.endpoints).map(([key, { name }]) => [key, { name, attachment: { netns: host.container(name) } }]));
  return nodeState({ ...state, endpoints });
}

/** The study's stack on its first node. */
export function sampleState(host: ThrowawayHost): NodeState {
  const snapshot = sampleSnapshot();
  return stateOf(host, snapshot, [...snapshot.nodes.values()][0]?.name ?? '');
}

/** One of everything, on a node that has most of it, with the interface that it reaches the others by. */
export function dataPlaneState(host: ThrowawayHost): NodeState {
  host.run('ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip address add 172.16.130.140/24 dev eth0');
  return stateOf(host, dataPlaneSnapshot(), 'node1');
}

const origin = { computedBy: 'endpoint' } as const;

/** Each kind that is not in the sample, in two variants with the same keys; the endpoint `a` is the container of the name. */
export function variantState(host: ThrowawayHost, variant: 'one' | 'other'): NodeState {
  const one = variant === 'one';
  const of = (space: Space, ...bodies: ObjectBody[]): KernelObject[] => bodies.map((body) => kernelObject(space, body, origin));
  const entries = (stages: readonly ('prerouting' | 'output' | 'postrouting')[]): ObjectBody[] =>
    stages.map((stage): ObjectBody => ({ kind: 'rule-entry', table: 'nat', stage }));
  const port: ObjectBody = {
    kind: 'port-forward',
    protocol: 'udp',
    port: 5140,
    to: '172.20.0.3',
    toPort: one ? 514 : 515,
    ...(one ? { addresses: ['192.0.2.0/24', '198.51.100.1'], interfaces: ['eth0', 'eth1'] } : {}),
  };
  const objects: KernelObject[] = [
    ...of(
      'host',
      { kind: 'bridge', name: 'ptl_gwbridge', mtu: 1500, mac: '02:42:c0:a8:f0:01' },
      { kind: 'address', link: 'ptl_gwbridge', address: '172.20.0.1', prefixLength: 16 },
      {
        kind: 'veth',
        name: 'ptl_ac140003',
        master: 'ptl_gwbridge',
        mtu: 1500,
        ...(one ? { isolated: true as const } : {}),
        peer: { space: 'endpoint:a', name: 'ptl_gw', mac: '02:42:ac:14:00:03' },
      },
      { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
      { kind: 'gateway-policy', link: 'ptl_gwbridge', subnet: '172.20.0.0/16' },
      ...entries(['prerouting', 'output', 'postrouting']),
      { kind: 'rule-entry', table: 'filter', stage: 'forward' },
      port,
      { kind: 'dns-server', ttl: one ? 5 : 6, upstreams: ['192.0.2.53'] },
      { kind: 'dns-name', network: 'app', name: 'web', addresses: one ? ['10.0.0.2'] : [] },
    ),
    ...of(
      'endpoint:a',
      { kind: 'address', link: 'ptl_gw', address: '172.20.0.3', prefixLength: 16 },
      { kind: 'address', link: 'lo', address: '10.0.0.9', prefixLength: 32 },
      { kind: 'sysctl', name: 'net.ipv4.conf.ptl_gw.rp_filter', value: one ? '2' : '1' },
      { kind: 'sysctl', name: 'net.ipv4.conf.ptl_gw.arp_ignore', value: one ? '1' : '0' },
      { kind: 'sysctl', name: 'net.ipv4.tcp_keepalive_time', value: one ? '600' : '900' },
      { kind: 'route', destination: 'default', via: '172.20.0.1', link: 'ptl_gw', metric: one ? 4096 : 4097 },
      { kind: 'route', destination: '10.7.0.0/24', via: one ? '172.20.0.1' : '172.20.0.2', link: 'ptl_gw', table: 4096 },
      { kind: 'route', destination: '10.8.0.0/24', link: 'ptl_gw', table: 4096 },
      { kind: 'route-rule', from: '172.20.0.3', table: one ? 4096 : 4097 },
      { kind: 'dns-redirect', port: one ? 11053 : 11054 },
      ...entries(['output', 'postrouting']),
      { kind: 'dns-client', port: 11053, networks: one ? ['app'] : ['app', 'other'], forwards: one },
    ),
    ...of(
      'own:lb_variant',
      { kind: 'namespace' },
      { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
      { kind: 'sysctl', name: 'net.ipv4.vs.conntrack', value: one ? '1' : '0' },
      { kind: 'ipvs-timeouts', tcp: one ? 7800 : 900, tcpFin: one ? 120 : 60, udp: one ? 300 : 30 },
      { kind: 'virtual-server', mark: 0x10001, scheduler: one ? 'wrr' : 'sh', ...(one ? { persistence: 300 } : {}) },
      { kind: 'virtual-server', mark: 0x10002, scheduler: one ? 'mh' : 'wlc', ...(one ? {} : { persistence: 60 }) },
      { kind: 'real-server', mark: 0x10001, address: '10.0.0.2', forwarding: one ? 'masquerade' : 'direct', weight: one ? 0 : 5 },
      { kind: 'real-server', mark: 0x10002, address: '10.0.0.3', forwarding: one ? 'direct' : 'masquerade', weight: 1 },
      { kind: 'mark', match: { stage: 'prerouting', protocol: 'sctp', port: 3868 }, mark: one ? 0x10001 : 0x10002 },
      { kind: 'source-kept', mark: 0x10001 },
      { kind: 'source-rewrite', destination: '10.0.0.0/24', source: one ? '10.0.0.4' : '10.0.0.5' },
    ),
  ];
  return nodeState({
    cluster: '',
    node: '',
    address: '192.0.2.1',
    endpoints: { a: { name: 'a', attachment: { netns: host.container('a') } } },
    watch: { probes: {}, nodes: {}, draining: [] },
    objects,
  });
}
