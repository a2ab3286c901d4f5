import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';
import { type NodeState, nodeState } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Kernel, openLinuxKernel, socketIn } from '../src/index.js';
import { bring, type FlannelNode, flannelState, pass, stepsToFlannel } from './flannel-states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

const network = '10.244.0.0/16';
const [a, b] = [
  { address: '172.16.130.140', base: '10.244.1.0', mac: '02:00:00:00:00:0a' },
  { address: '172.16.130.164', base: '10.244.2.0', mac: '02:00:00:00:00:0b' },
] as const;
const pods = { a: '10.244.1.96', b: '10.244.2.194' } as const;
const bare = ({ address, base }: typeof a | typeof b) => ({ address, base });

let host: ThrowawayHost;
let other: ThrowawayHost;
let kernel: Kernel;
let servers: Server[];

beforeEach(() => {
  host = makeThrowawayHost();
  other = makeThrowawayHost();
  kernel = openLinuxKernel(host);
  servers = [];
  host.run(`ip link add eth0 type veth peer name eth0 netns ${other.host}; ip link set eth0 up; ip addr add ${a.address}/24 dev eth0`);
  other.run(`ip link set eth0 up; ip addr add ${b.address}/24 dev eth0`);
});
afterEach(() => {
  for (const server of servers) server.close();
  host.dispose();
  other.dispose();
});

/** A node of the mission's example without containers, with its peer. */
function lone(more: Partial<FlannelNode> = {}): NodeState {
  return flannelState({ network, ...a, peers: [b], ...more });
}

/** What a server in the container of `other` says, asked from that of `host`. */
async function askedAcross(): Promise<string> {
  const server = createServer((socket) => socket.end(socket.remoteAddress ?? 'nobody'));
  servers.push(server);
  const fd = socketIn(other.container('b'), { kind: 'tcp', bind: { address: '0.0.0.0', port: 80 } });
  server.listen({ fd });
  await once(server, 'listening');
  const client = new Socket({ fd: socketIn(host.container('a'), { kind: 'tcp' }) });
  client.setTimeout(3_000, () => client.destroy());
  let said = '';
  client.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  client.connect(80, pods.b);
  await new Promise<void>((resolve) => client.once('close', () => resolve()));
  return said;
}

describe('two nodes', () => {
  it.each([
    ['vxlan', a, b, 1450],
    ['host-gw', bare(a), bare(b), 1500],
  ] as const)('of backend %s carry packets between their containers, with their addresses', async (_, one, two, mtu) => {
    const pod = (of: ThrowawayHost, id: keyof typeof pods) => ({ [id]: { netns: of.container(id), address: pods[id] } });
    await bring(kernel, flannelState({ network, ...one, peers: [two], pods: pod(host, 'a'), mtu }));
    await bring(openLinuxKernel(other), flannelState({ network, ...two, peers: [one], pods: pod(other, 'b'), mtu }));
    // The largest packet that is sent whole, and through two hosts.
    expect(host.run(`ping -c 1 -W 2 -M do -s ${mtu - 28} ${pods.b}`, host.container('a'))).toContain('ttl=62');
    expect(await askedAcross()).toBe(pods.a);
  });
});

describe('what is made anew', () => {
  it.each([
    ['another MAC', 'ip link set flannel.1 address 02:00:00:00:00:99'],
    ['another MTU', 'ip link set flannel.1 mtu 1300'],
    ['learning', 'ip link set flannel.1 type vxlan id 1 learning'],
    ['another local address', 'ip link set flannel.1 type vxlan id 1 local 172.16.130.99'],
    ['down', 'ip link set flannel.1 down'],
    ['a port of a bridge', 'ip link add br0 type bridge; ip link set flannel.1 master br0'],
    ['without its alias', 'ip link set flannel.1 alias ""'],
    ['gone', 'ip link delete flannel.1'],
    ['without routes', 'ip route flush table main'],
    ['without neighbours', 'ip neigh flush nud permanent'],
    ['without forwarding entries', 'bridge fdb del 02:00:00:00:00:0b dev flannel.1'],
    ['with another host behind a MAC', 'bridge fdb replace 02:00:00:00:00:0b dev flannel.1 dst 172.16.130.9 self permanent'],
    ['with a peer that is none', 'bridge fdb add 02:00:00:00:00:0c dev flannel.1 dst 172.16.130.9 self permanent'],
    [
      'as another made it',
      'ip link delete flannel.1; ip link add flannel.1 type vxlan id 7 dev eth0 dstport 4789; ip link set flannel.1 up; ip addr add 10.1.1.1/32 dev flannel.1',
    ],
  ])('a node that was found %s', async (_, command) => {
    const state = lone();
    await bring(kernel, state);
    const whole = dump();
    host.run(command);
    expect(await stepsToFlannel(kernel, state)).not.toEqual([]);
    await bring(kernel, state);
    host.run('ip link delete br0 2>/dev/null || true; ip route replace 172.16.130.0/24 dev eth0 proto kernel scope link src 172.16.130.140');
    expect(dump()).toEqual(whole);
  });

  it('a peer with another MAC, or at another address, leaves no entry of the one before', async () => {
    await bring(kernel, lone());
    await bring(kernel, lone({ peers: [{ ...b, mac: '02:00:00:00:00:bb' }] }));
    const entries = () => host.run('bridge fdb show dev flannel.1; ip neigh show dev flannel.1');
    expect(
      entries()
        .trim()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual(['02:00:00:00:00:bb dst 172.16.130.164 self permanent', `${b.base} lladdr 02:00:00:00:00:bb PERMANENT`]);
    await bring(kernel, lone({ peers: [{ ...b, mac: '02:00:00:00:00:bb', address: '172.16.130.170' }] }));
    expect(entries()).toContain('02:00:00:00:00:bb dst 172.16.130.170 self permanent');
    expect(entries()).not.toContain('172.16.130.164');
    await bring(kernel, lone({ peers: [] }));
    expect(entries()).toBe('');
    expect(host.run('ip route show proto 80')).toBe('');
  });

  it('costs one line of each tool for one peer of many', async () => {
    const many = Array.from({ length: 50 }, (_, i) => ({ address: `172.16.131.${i + 1}`, base: `10.244.${i + 10}.0`, mac: `02:00:00:00:01:${hex(i)}` }));
    await bring(kernel, lone({ peers: many }));
    const { applied } = await bring(kernel, lone({ peers: [...many, b] }));
    expect(applied.map(({ batch }) => batch.text)).toEqual([
      'neighbour replace 10.244.2.0 lladdr 02:00:00:00:00:0b dev flannel.1 nud permanent\n',
      'fdb replace 02:00:00:00:00:0b dev flannel.1 dst 172.16.130.164 self permanent\n',
      'route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink proto 80\n',
    ]);
  });
});

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** All that flannel is about on the host, without what counts by itself; links are told without their index. */
function dump(): string[] {
  const text = host.run(
    'ip -d -o link show | grep -v "eth0@"; ip -4 -o addr show; ip -d route show table all; bridge fdb show; ip neigh show nud permanent; iptables-save | grep "^-"',
  );
  return text
    .split('\n')
    .map((line) => line.replace(/^\d+: /, '').trim())
    .filter((line) => line !== '' && !/fe80|ff00|33:33|01:00:5e|::1/.test(line))
    .sort();
}

describe('what is not ours', () => {
  it('stays as it is by the side of ours, through a purge: a VTEP of flanneld with its peers, routes and rules', async () => {
    host.run(
      `ip link add flannel.2 txqueuelen 0 mtu 1450 address 3a:c6:11:c1:b0:f0 type vxlan id 2 dev eth0 local ${a.address} nolearning dstport 8472; ip addr add 10.9.1.0/32 dev flannel.2; ip link set flannel.2 up; ip neigh add 10.9.2.0 dev flannel.2 lladdr 02:00:00:00:00:22 nud permanent; bridge fdb add 02:00:00:00:00:22 dev flannel.2 dst ${b.address} self permanent; ip route add 10.9.2.0/24 via 10.9.2.0 dev flannel.2 onlink; ip neigh add ${b.address} dev eth0 lladdr 02:00:00:00:00:33 nud permanent; iptables -N FLANNEL-FWD; iptables -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD; iptables -A FLANNEL-FWD -s 10.9.0.0/16 -j ACCEPT`,
    );
    const theirs = dump();
    await bring(kernel, lone());
    const both = dump();
    expect(both.length).toBeGreaterThan(theirs.length);
    expect(theirs.filter((line) => !both.includes(line))).toEqual([]);
    await openLinuxKernel(host).purge({});
    expect(dump()).toEqual(theirs);
  });

  it('a route to a subnet of ours is replaced where it takes the place of ours, and is told', async () => {
    const state = lone();
    await bring(kernel, state);
    host.run(`ip route replace 10.244.2.0/24 via ${b.address} proto static`);
    const first = await bring(kernel, state);
    expect(first.before.foreign).toEqual([{ space: 'host', text: `route 10.244.2.0/24 via ${b.address} dev eth0 proto static` }]);
    // Before ours, which is still there.
    host.run(`ip route prepend 10.244.2.0/24 via ${b.address}`);
    const second = await bring(kernel, state);
    expect(second.before.foreign).toEqual([{ space: 'host', text: `route 10.244.2.0/24 via ${b.address} dev eth0 proto boot` }]);
    expect(host.run('ip route show 10.244.2.0/24').trim()).toBe('10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 80 onlink');
    // Beside ours, and never used as long as ours is there.
    host.run(`ip route add 10.244.2.0/24 via ${b.address} metric 100; ip route add 10.77.0.0/16 via ${b.address}`);
    const third = await bring(kernel, state);
    expect([third.before.foreign, third.applied]).toEqual([[], []]);
  });

  it('the routes of others are read in the same process, and only with destinations', async () => {
    const state = lone();
    await bring(kernel, state);
    const before = host.exec.started;
    await stepsToFlannel(kernel, state);
    // ip, bridge, iptables-save
    expect(host.exec.started - before).toBe(3);
    await bring(kernel, nodeState({ ...state, objects: [] }));
    const later = host.exec.started;
    await kernel.observe({ endpoints: {}, sysctls: new Map() });
    expect(host.exec.started - later).toBe(2);
  });
});

describe('a route that the kernel refuses', () => {
  const far = { address: '198.51.100.7', base: '10.244.7.0' };

  it('keeps nothing else from being made, and is told with its line', async () => {
    const state = lone({ peers: [b, far, { ...bare(b), base: '10.244.9.0' }] });
    const { applied, after } = await pass(kernel, state);
    const failed = applied.filter(({ exitCode }) => exitCode !== 0);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.stderr).toContain('Nexthop has invalid gateway.');
    expect(failed[0]?.stderr).toMatch(/Command failed -:\d: route replace 10\.244\.7\.0\/24 via 198\.51\.100\.7 dev eth0 proto 80\n/);
    const found = new Set(after.objects.map(({ key }) => key));
    expect(state.objects.flatMap(({ key }) => (found.has(key) ? [] : [key]))).toEqual(['route/host/10.244.7.0/24']);
    host.run('ip addr add 198.51.100.1/24 dev eth0');
    await bring(kernel, state);
  });

  it('so do those by an underlay that is down, until it is up', async () => {
    const state = lone({ peers: [bare(b)], mac: a.mac });
    await bring(kernel, state);
    host.run('ip link set eth0 down');
    const { applied } = await pass(kernel, state);
    expect(applied.map(({ exitCode, batch }) => `${batch.tool} ${exitCode}`)).toEqual(['ip 1']);
    host.run('ip link set eth0 up');
    await bring(kernel, state);
  });
});
