import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type KernelObject, kernelObject, type NodeState, nodeState, type ObjectBody, type Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carryOut, type Kernel, openLinuxKernel, requestOf } from '../src/index.js';
import { makeThrowawayHost, sh, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
});
afterEach(() => host.dispose());

const origin = { computedBy: 'flannel' } as const;
const of = (space: Space, ...bodies: readonly ObjectBody[]): KernelObject[] => bodies.map((body) => kernelObject(space, body, origin));
const entry = (table: 'nat' | 'filter', stage: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'): ObjectBody => ({
  kind: 'rule-entry',
  table,
  stage,
});

/** Most of what a host, an endpoint and a namespace of ours can hold without IPVS; `bad`: with what no tool takes. */
function stateOf(variant: 1 | 2, bad = false): NodeState {
  const peer = variant === 1 ? '172.16.130.164' : '172.16.130.165';
  return nodeState({
    cluster: '',
    node: '',
    address: '172.16.130.140',
    endpoints: { a: { name: 'a', attachment: { netns: host.container('a') } } },
    watch: { probes: {}, nodes: {}, draining: [] },
    objects: [
      ...of(
        'host',
        { kind: 'bridge', name: 'ptl_gwbridge', mtu: bad ? 1 : 1500 - variant, mac: '02:42:c0:a8:f0:01' },
        { kind: 'address', link: 'ptl_gwbridge', address: '172.20.0.1', prefixLength: 16 },
        {
          kind: 'flannel-vtep',
          name: 'flannel.1',
          vni: 1,
          port: 8472,
          mtu: 1450,
          mac: '02:42:0a:f4:01:00',
          local: '172.16.130.140',
          underlay: 'eth0',
          learning: false,
          gbp: false,
        },
        { kind: 'address', link: 'flannel.1', address: '10.244.1.0', prefixLength: 32 },
        { kind: 'neighbour', link: 'flannel.1', address: '10.244.2.0', mac: '02:42:0a:f4:02:00' },
        { kind: 'fdb', link: 'flannel.1', mac: '02:42:0a:f4:02:00', vtep: peer },
        { kind: 'route', destination: '10.244.2.0/24', via: '10.244.2.0', link: 'flannel.1', onlink: true },
        { kind: 'route', destination: `10.244.${2 + variant}.0/24`, via: '172.16.130.165', link: 'eth0' },
        {
          kind: 'veth',
          name: 'ptl_ac140003',
          master: 'ptl_gwbridge',
          mtu: 1500 - variant,
          isolated: true,
          peer: { space: 'endpoint:a', name: 'ptl_gw', mac: '02:42:ac:14:00:03' },
        },
        { kind: 'gateway-policy', link: 'ptl_gwbridge', subnet: '172.20.0.0/16' },
        { kind: 'pod-forward', network: '10.244.0.0/16' },
        { kind: 'pod-masquerade', network: '10.244.0.0/16', subnet: '10.244.1.0/24' },
        { kind: 'port-forward', protocol: 'tcp', port: 8000, to: '172.20.0.3', toPort: 8000 + variant },
        ...(bad ? [{ kind: 'port-forward', protocol: 'tcp', port: 8001, to: '172.20.0.999', toPort: 1 } as const] : []),
        entry('nat', 'prerouting'),
        entry('nat', 'output'),
        entry('nat', 'postrouting'),
        entry('filter', 'forward'),
      ),
      ...of(
        'endpoint:a',
        { kind: 'address', link: 'ptl_gw', address: '172.20.0.3', prefixLength: 16 },
        { kind: 'route', destination: 'default', via: '172.20.0.1', link: 'ptl_gw', metric: 4096 },
        { kind: 'route', destination: '10.8.0.0/24', link: 'ptl_gw', table: 4096 },
        { kind: 'route-rule', from: '172.20.0.3', table: 4096 },
        { kind: 'dns-redirect', port: 11050 + variant },
        { kind: 'endpoint-filter', address: '172.20.0.3', open: [{ protocol: 'tcp', port: 80 }] },
        entry('nat', 'output'),
        entry('nat', 'postrouting'),
        entry('filter', 'input'),
        entry('filter', 'output'),
      ),
      ...of(
        'own:1-x',
        { kind: 'namespace' },
        { kind: 'bridge', name: 'br0', mtu: 1450 },
        { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' },
        { kind: 'neighbour', link: 'vxlan0', address: '10.0.0.7', mac: '02:42:0a:00:00:07' },
        { kind: 'fdb', link: 'vxlan0', mac: '02:42:0a:00:00:07', vtep: peer },
      ),
    ],
  });
}

const chains = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
};

/** Rules in every chain, and chains that look like ours. */
const foreignRules = Object.entries(chains)
  .map(([table, names]) =>
    [
      `*${table}`,
      ...['OTHER', 'PORTOLANS', 'portolan-forward'].map((name) => `:${name} - [0:0]`),
      '-A OTHER -s 192.0.2.1 -j RETURN',
      '-A PORTOLANS -p udp --dport 53 -m comment --comment "portolan of another kind" -j RETURN',
      ...names.flatMap((name) => [`-A ${name} -p tcp --dport 9 -m comment --comment "before ours" -j OTHER`, `-A ${name} -s 198.51.100.7 -j PORTOLANS`]),
      ...(table === 'mangle' ? ['-A FORWARD -m mark --mark 0x4000/0x4000 -j MARK --set-xmark 0x8000/0x8000'] : []),
      'COMMIT',
    ].join('\n'),
  )
  .join('\n');

/** Links with names and aliases like ours, and all that hangs on them. */
const FOREIGN = `
sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
iptables -P FORWARD DROP
ip link add foreign0 type bridge; ip addr add 198.51.100.1/24 dev foreign0; ip link set foreign0 up
ip link add ptlx0 type veth peer name ptlx1; ip link set ptlx0 alias "portolans bridge/host/ptlx0 0123456789abcdef" master foreign0 up; ip link set ptlx1 up
ip link add flannel.77 type vxlan id 77 dstport 8999 local 198.51.100.1 nolearning; ip link set flannel.77 up; ip addr add 10.77.0.0/32 dev flannel.77
bridge fdb add 02:00:00:00:77:01 dev flannel.77 dst 198.51.100.9 self permanent; bridge fdb add 02:00:00:00:77:02 dev ptlx0 master static
ip neigh add 198.51.100.8 lladdr 02:00:00:00:00:08 dev foreign0 nud permanent; ip neigh add 10.77.1.0 lladdr 02:00:00:00:77:01 dev flannel.77 nud permanent
ip route add 203.0.113.0/24 via 198.51.100.2 proto static; ip route add 10.77.1.0/24 via 10.77.1.0 dev flannel.77 onlink
ip route add default via 198.51.100.2 metric 50; ip route add 203.0.114.0/24 via 198.51.100.2 table 4096 proto 81
ip rule add from 198.51.100.0/24 lookup 4096 priority 900
`;

const ourLink = /^(?:ptl_|flannel\.1$|cni0$)/;
/** Of our routes, and of our addresses in the kernel's own table. */
const ourAddress = /^(?:172\.20\.|10\.244\.1\.0)/;

function isOurs(entry: Readonly<Record<string, unknown>>): boolean {
  const { ifname, dev, protocol, src, dst } = entry;
  return (
    [ifname, dev].some((name) => typeof name === 'string' && ourLink.test(name)) ||
    protocol === '80' ||
    [src, dst].some((address) => ourAddress.test(String(address)))
  );
}

/** All that is not ours, byte for byte but for counters: each entry as the tool prints it. */
function foreignIn(path?: string): string {
  const shows = ['ip -j link', 'ip -j addr', 'ip -j route show table all', 'ip -j rule', 'ip -j neigh show nud permanent', 'bridge -j fdb'];
  const [saved = '', ...answers] = host
    .run(['iptables-save | grep -v "^#" | sed "s/\\[[0-9]*:[0-9]*\\]//"', ...shows].join('; echo ===; '), path)
    .split('===\n');
  const entries = answers.flatMap((answer, i) => {
    const found = JSON.parse(answer) as readonly Readonly<Record<string, unknown>>[];
    return found.filter((entry) => !isOurs(entry)).map((entry) => `${shows[i]}: ${JSON.stringify(entry)}`);
  });
  const rules = saved.split('\n');
  return [...rules.filter((line) => !line.includes('PORTOLAN-')), ...entries].join('\n');
}

async function apply(state: NodeState) {
  const request = requestOf(state);
  const observed = await kernel.observe(request);
  const observe: Parameters<typeof carryOut>[0]['observe'] = (written) => kernel.observe({ ...request, written });
  const { blames } = await carryOut({ kernel, target: { observed, desired: state }, plan: diffNodeState(observed, state), alone: new Set(), observe });
  const after = await kernel.observe(request);
  return { blamed: blames.map(({ key }) => key), left: diffNodeState(after, state).steps, foreign: after.foreign };
}

describe('what is not ours', () => {
  it('is byte-identical after an apply, a change, a repair, a failure and a purge', async () => {
    host.run(
      'sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0; ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip address add 172.16.130.140/24 dev eth0',
    );
    const endpoint = host.container('a');
    const bystander = host.container('bystander');
    const places = [host.host, endpoint, bystander];
    for (const path of places) {
      sh(`nsenter --net=${path} -- iptables-restore --noflush`, `${foreignRules}\n`);
      host.run(FOREIGN, path);
    }
    const seen = (): string[] => places.map((path) => foreignIn(path));
    // The kernel takes a moment to find new links up.
    let before = seen();
    for (let again = ''; again !== before.join(); before = seen()) {
      again = before.join();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(before.every((text) => text.includes('before ours') && text.includes('02:00:00:00:77:02') && text.includes('203.0.114.0/24'))).toBe(true);

    const { blamed, left, foreign } = await apply(stateOf(1));
    expect([blamed, left]).toEqual([[], []]);
    expect(seen()).toEqual(before);
    // Of the marks of others one rule each is told.
    expect(foreign.filter(({ space }) => space === 'host').map(({ text }) => text)).toEqual([expect.stringContaining('0x4000/0x4000')]);

    // Behind our jumps now, before it others come again.
    const drop =
      'iptables -I FORWARD -s 198.51.100.99 -j DROP; iptables -t nat -I PREROUTING -p tcp --dport 10 -j OTHER; iptables -t mangle -I PREROUTING -s 198.51.100.98 -j DROP';
    for (const path of places) host.run(drop, path);
    const between = seen();
    expect((await kernel.observe(requestOf(stateOf(1)))).obstructions.filter(({ space }) => space === 'host')).toEqual([
      { space: 'host', chain: 'filter/FORWARD', text: '-A FORWARD -s 198.51.100.99/32 -j DROP' },
      { space: 'host', chain: 'mangle/PREROUTING', text: '-A PREROUTING -s 198.51.100.98/32 -j DROP' },
    ]);
    expect((await apply(stateOf(2))).left).toEqual([]);
    expect(seen()).toEqual(between);

    // What others do to ours is repaired beside it.
    host.run('iptables -F PORTOLAN-FORWARD; iptables -t nat -D PREROUTING 2; ip link del flannel.1; ip route flush proto 80; ip link del ptl_ac140003');
    host.run('iptables -t nat -F PORTOLAN-OUTPUT', endpoint);
    expect((await apply(stateOf(2))).left).toEqual([]);
    expect(seen()).toEqual(between);

    for (const _time of ['first', 'second']) {
      expect((await apply(stateOf(1, true))).blamed).toEqual(['bridge/host/ptl_gwbridge', 'port-forward/host/tcp/8001']);
      expect(seen()).toEqual(between);
    }

    await kernel.purge(stateOf(1).endpoints);
    expect(seen()).toEqual(between);
    expect(host.run('iptables-save; ip link; ip route show table all')).not.toMatch(/PORTOLAN-|ptl_|flannel\.1:|proto 80/);
    expect(existsSync(join(host.runDirectory, 'netns'))).toBe(false);
  });
});
