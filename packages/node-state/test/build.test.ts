import {
  bodyHash,
  canonicalJson,
  emptyNodeState,
  foundObjects,
  kernelObject,
  kindOfKey,
  type NodeState,
  nodeState,
  nothingToWatch,
  type ObjectBody,
  objectKey,
  objectKinds,
  observedObject,
  observedState,
  sysctlNamesOf,
  wholeHash,
} from '@portolan/node-state';
import { describe, expect, it } from 'vitest';

const origin = { computedBy: 'load-balancer', service: 'web' } as const;
const vip: ObjectBody = { kind: 'mark', match: { stage: 'input', destination: '10.0.0.20' }, mark: 0x149 };
const server: ObjectBody = { kind: 'virtual-server', mark: 0x149, scheduler: 'rr' };

describe('objects', () => {
  it('are known by kind, space and identity', () => {
    expect(kernelObject('own:lb_5mckih8b5', vip, origin).key).toBe('mark/own:lb_5mckih8b5/input/10.0.0.20');
    expect(kernelObject('own:lb_5mckih8b5', { kind: 'namespace' }, origin).key).toBe('namespace/own:lb_5mckih8b5');
  });

  it('hash the same whatever the order of the fields, and whoever made them', () => {
    const reordered: ObjectBody = { mark: 0x149, match: { destination: '10.0.0.20', stage: 'input' }, kind: 'mark' };
    expect(bodyHash(reordered)).toBe(bodyHash(vip));
    expect(observedObject('host', vip).hash).toBe(kernelObject('host', vip, origin).hash);
    expect(bodyHash({ ...vip, mark: 0x150 })).not.toBe(bodyHash(vip));
  });

  it('leave fields without a value out of the hash', () => {
    expect(canonicalJson({ a: 1, b: undefined })).toBe('{"a":1}');
  });
});

/** Each kind of object once, in an order that is not ours. */
const bodies: readonly ObjectBody[] = [
  { kind: 'dns-client', port: 11053, networks: ['front'], forwards: true },
  { kind: 'dns-name', network: 'front', name: 'web', addresses: ['10.0.0.20'] },
  { kind: 'dns-server', ttl: 5, upstreams: [] },
  { kind: 'dns-redirect', port: 11053 },
  { kind: 'file', path: '/run/flannel/subnet.env', content: 'FLANNEL_MTU=1450\n' },
  { kind: 'pod-masquerade', network: '10.244.0.0/16', subnet: '10.244.1.0/24' },
  { kind: 'pod-forward', network: '10.244.0.0/16' },
  { kind: 'port-forward', protocol: 'tcp', port: 8000, to: '192.168.240.2', toPort: 8000 },
  { kind: 'gateway-policy', link: 'ptl_gwbridge', subnet: '192.168.240.0/20' },
  { kind: 'endpoint-filter', address: '10.255.0.5', open: [] },
  { kind: 'port-redirect', destination: '10.255.0.5', protocol: 'tcp', port: 8000, toPort: 80 },
  { kind: 'rule-entry', table: 'nat', stage: 'output' },
  { kind: 'source-rewrite', destination: '10.0.0.0/24', source: '10.0.0.5' },
  { kind: 'source-kept', mark: 0x149 },
  vip,
  { kind: 'real-server', mark: 0x149, address: '10.0.0.21', forwarding: 'direct', weight: 1 },
  server,
  { kind: 'ipvs-timeouts', tcp: 7800, tcpFin: 120, udp: 300 },
  { kind: 'route-rule', from: '10.255.0.5', table: 4096 },
  { kind: 'route', destination: 'default', link: 'ov4096', table: 4096 },
  { kind: 'udp-relay-peer', relay: 'flannel0', subnet: '10.244.2.0/24', host: '172.16.0.1' },
  { kind: 'fdb', link: 'vxlan0', mac: '02:42:0a:00:00:15', vtep: '172.16.0.1' },
  { kind: 'neighbour', link: 'vxlan0', address: '10.0.0.21', mac: '02:42:0a:00:00:15' },
  { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
  { kind: 'address', link: 'eth0', address: '10.0.0.5', prefixLength: 24 },
  { kind: 'veth', name: 'veth-lb', mtu: 1450, peer: { space: 'own:lb_x', name: 'eth0', mac: '02:42:0a:00:00:05' } },
  { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: '172.16.0.2', port: 8285, address: '10.244.1.0' },
  {
    kind: 'flannel-vtep',
    name: 'flannel.1',
    vni: 1,
    port: 8472,
    mtu: 1450,
    mac: '3a:c6:11:c1:b0:f0',
    local: '172.16.0.2',
    underlay: 'eth0',
    learning: false,
    gbp: false,
  },
  { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' },
  { kind: 'bridge', name: 'br0', mtu: 1450 },
  { kind: 'namespace' },
];

describe('keys', () => {
  const keysOf = (...made: ObjectBody[]) => made.map((body) => objectKey('own:x', body));

  it('begin with the kind', () => {
    for (const body of bodies) expect(kindOfKey(objectKey('own:x', body))).toBe(body.kind);
  });

  it('tell apart what can be there side by side', () => {
    const route: ObjectBody = { kind: 'route', destination: 'default', via: '10.0.0.1', link: 'eth0' };
    expect(keysOf(route, { ...route, table: 4096 })).toEqual(['route/own:x/default', 'route/own:x/default@4096']);
    const name: ObjectBody = { kind: 'dns-name', network: 'front', name: 'web', addresses: [] };
    expect(keysOf(name, { ...name, network: 'back' })).toEqual(['dns-name/own:x/front/web', 'dns-name/own:x/back/web']);
    const forward: ObjectBody = { kind: 'port-forward', protocol: 'tcp', port: 53, to: '10.0.0.1', toPort: 53 };
    expect(keysOf(forward, { ...forward, protocol: 'udp' })).toEqual(['port-forward/own:x/tcp/53', 'port-forward/own:x/udp/53']);
  });

  it('of a route are those of its destination, so one that leads elsewhere takes its place', () => {
    const route = { kind: 'route', destination: '10.244.2.0/24' } as const;
    const ways: ObjectBody[] = [
      { ...route, via: '10.244.2.0', link: 'flannel.1', onlink: true },
      { ...route, via: '172.16.0.1', link: 'eth0' },
      { ...route, link: 'flannel0', scope: 'global' },
    ];
    expect(new Set(keysOf(...ways))).toEqual(new Set(['route/own:x/10.244.2.0/24']));
    expect(new Set(ways.map(bodyHash)).size).toBe(3);
  });

  it('stay when what an object says changes', () => {
    const forward: ObjectBody = { kind: 'port-forward', protocol: 'tcp', port: 80, to: '10.0.0.1', toPort: 80 };
    const changed: ObjectBody = { ...forward, to: '10.0.0.2', toPort: 8080, addresses: ['192.0.2.1'], interfaces: ['eth0'] };
    expect(objectKey('host', changed)).toBe(objectKey('host', forward));
    expect(bodyHash(changed)).not.toBe(bodyHash(forward));
  });
});

describe('states', () => {
  const made = (bodiesOf: readonly ObjectBody[], rest: Partial<NodeState> = {}) => {
    const objects = bodiesOf.map((body) => kernelObject('own:lb_x', body, origin));
    return nodeState({ cluster: 'c', node: 'n', address: '172.16.0.1', endpoints: {}, watch: nothingToWatch, objects, ...rest });
  };

  it('have their objects in the order of making, whatever the order in which they were computed', () => {
    const state = made(bodies);
    expect(state.objects.map(({ body }) => body.kind)).toEqual(objectKinds);
    expect(JSON.stringify(made([...bodies].reverse()))).toBe(JSON.stringify(state));
  });

  it('have another hash when anything but the names of cluster and node is another', () => {
    const state = made([server]);
    const endpoints = (netns: string) => ({ e: { name: 'web.1', attachment: { netns } } });
    const others = [
      made([]),
      made([server], { address: '172.16.0.2' }),
      made([server], { endpoints: endpoints('/run/netns/a') }),
      made([server], { endpoints: endpoints('/run/netns/b') }),
      made([server], { watch: { ...nothingToWatch, draining: ['e'] } }),
      made([server], { watch: { ...nothingToWatch, nodes: { n: '172.16.0.3' } } }),
    ];
    expect(new Set([state, ...others].map(({ hash }) => hash)).size).toBe(others.length + 1);
    expect(made([server], { cluster: 'other', node: 'other' }).hash).toBe(state.hash);
  });

  it('refuse two objects of one key', () => {
    expect(() => made([server, { ...server, scheduler: 'wrr' }])).toThrow('virtual-server/own:lb_x/329');
  });

  it('that are empty keep the endpoints that are to be cleaned', () => {
    const endpoints = { e: { name: 'web.1', attachment: { pid: 42 } } };
    expect(emptyNodeState(endpoints)).toMatchObject({ endpoints, objects: [], watch: nothingToWatch });
    expect(emptyNodeState().endpoints).toEqual({});
  });

  it('tell the sysctls that an observation has to read, by namespace', () => {
    const sysctl = (name: string): ObjectBody => ({ kind: 'sysctl', name, value: '1' });
    const objects = [
      kernelObject('host', sysctl('net.ipv4.ip_forward'), origin),
      kernelObject('own:lb_x', sysctl('net.ipv4.vs.conntrack'), origin),
      kernelObject('own:lb_x', sysctl('net.ipv4.ip_forward'), origin),
      kernelObject('own:other', server, origin),
    ];
    expect([...sysctlNamesOf({ objects })]).toEqual([
      ['host', ['net.ipv4.ip_forward']],
      ['own:lb_x', ['net.ipv4.vs.conntrack', 'net.ipv4.ip_forward']],
    ]);
  });
});

describe('an observed state', () => {
  it('is in the same order, and its hash tells what is there', () => {
    const observed = bodies.map((body) => observedObject('own:lb_x', body));
    const state = observedState(observed, {}, []);
    expect(state.objects.map(({ kind }) => kind)).toEqual(objectKinds);
    expect(observedState([...observed].reverse(), {}, []).hash).toBe(state.hash);
    expect(observedState(observed.slice(1), {}, []).hash).not.toBe(state.hash);
  });
});

describe('what an observation of a whole state finds', () => {
  it('has the hash that tells so, and its objects', () => {
    const state = nodeState({
      cluster: 'c',
      node: 'n',
      address: '192.0.2.1',
      endpoints: {},
      watch: nothingToWatch,
      objects: [kernelObject('own:lb_a', server, origin), kernelObject('own:lb_a', vip, origin)],
    });
    const observed = observedState(foundObjects(state), {}, []);
    expect(observed.hash).toBe(wholeHash(state));
    expect(observed.objects).toEqual(state.objects.map(({ space, body }) => observedObject(space, body)));
    expect(observedState(foundObjects(state).slice(1), {}, []).hash).not.toBe(wholeHash(state));
  });
});
