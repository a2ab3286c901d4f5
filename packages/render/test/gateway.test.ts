import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type KernelObject, kernelObject, nodeState, nothingToWatch, type ObjectBody, type Space } from '@portolan/node-state';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backends, NativeHost } from './native-host.js';

const BRIDGE = 'ptl_gwbridge';
const SUBNET = '192.168.240.0/24';
const a: Space = 'endpoint:a';
const b: Space = 'endpoint:b';

/** Two endpoints behind the bridge; `b` has published ports: one everywhere, one for those who come in by `eth0` to one address. */
function stateBehind() {
  const made = (space: Space, body: ObjectBody): KernelObject => kernelObject(space, body, { computedBy: 'endpoint' });
  const behind = (space: Space, port: string, address: string, mac: string): KernelObject[] => [
    made('host', { kind: 'veth', name: port, master: BRIDGE, mtu: 1500, isolated: true, peer: { space, name: 'ptl_gw', mac } }),
    made(space, { kind: 'address', link: 'ptl_gw', address, prefixLength: 24 }),
    made(space, { kind: 'route', destination: 'default', via: '192.168.240.1', link: 'ptl_gw', metric: 4096 }),
  ];
  const forward = { kind: 'port-forward', protocol: 'tcp', to: '192.168.240.4', toPort: 80 } as const;
  const entries = [
    ['nat', 'prerouting'],
    ['nat', 'output'],
    ['nat', 'postrouting'],
    ['filter', 'forward'],
  ] as const;
  const objects = [
    made('host', { kind: 'bridge', name: BRIDGE, mtu: 1500, mac: '02:42:c0:a8:f0:01' }),
    made('host', { kind: 'address', link: BRIDGE, address: '192.168.240.1', prefixLength: 24 }),
    made('host', { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' }),
    made('host', { kind: 'sysctl', name: `net.ipv4.conf.${BRIDGE}.route_localnet`, value: '1' }),
    ...entries.map(([table, stage]) => made('host', { kind: 'rule-entry', table, stage })),
    made('host', { kind: 'gateway-policy', link: BRIDGE, subnet: SUBNET }),
    made('host', { ...forward, port: 8000 }),
    made('host', { ...forward, port: 8001, addresses: ['192.0.2.1'], interfaces: ['eth0'] }),
    ...behind(a, 'ptl_a', '192.168.240.3', '02:42:c0:a8:f0:03'),
    ...behind(b, 'ptl_b', '192.168.240.4', '02:42:c0:a8:f0:04'),
  ];
  const endpoints = Object.fromEntries(['a', 'b'].map((id) => [id, { name: id, attachment: { netns: `/run/netns/${id}` } }]));
  return nodeState({ cluster: 'lab', node: 'node1', address: '192.0.2.1', endpoints, watch: nothingToWatch, objects });
}

/** Tells each client the address that it comes from. */
const SERVER = 'require("net").createServer((s)=>s.end(s.remoteAddress)).listen(80,"0.0.0.0",()=>console.log("up"))';

describe.each(backends)('behind the bridge of the host, with %s', (backend) => {
  const state = stateBehind();
  let host: NativeHost;
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    host = new NativeHost(state, backend);
    host.addNamespace('endpoint:outside');
    // Where br_netfilter shows bridged frames to iptables, a translated one is bridged on, and an isolated port gets none from another.
    host.exec('host', ['sysctl', '-q', '-e', '-w', 'net.bridge.bridge-nf-call-iptables=0']);
    const ip = (space: Space, ...lines: string[]) => host.exec(space, ['ip', '-batch', '-'], lines.map((line) => `${line}\n`).join(''));
    ip('host', `link add eth0 type veth peer name eth0 netns ${host.pathOf('endpoint:outside')}`, 'link set lo up', 'link set eth0 up');
    ip('host', 'address add 192.0.2.1/24 dev eth0', 'address add 192.0.2.2/24 dev eth0');
    // It knows the way to the subnet, as a neighbour might.
    ip('endpoint:outside', 'link set eth0 up', 'address add 192.0.2.9/24 dev eth0', `route add ${SUBNET} via 192.0.2.1`);
    host.converge(state);
    for (const space of [b, 'endpoint:outside'] as const) {
      const server = spawn('nsenter', [`--net=${host.pathOf(space)}`, process.execPath, '-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
      servers.push(server);
      if (server.stdout !== null) await once(server.stdout, 'data');
    }
  });
  afterAll(() => {
    for (const server of servers) server.kill();
    host.close();
  });

  /** What a server answered, or nothing when there was no answer within so many seconds. */
  function asked(space: Space, address: string, port: number, seconds: number): Promise<string> {
    const command = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
    return new Promise((resolve) => {
      execFile('nsenter', [`--net=${host.pathOf(space)}`, 'timeout', String(seconds), 'bash', '-c', command], (_, stdout) => resolve(stdout));
    });
  }

  it.each([
    ['a client outside keeps its address', 'endpoint:outside', '192.0.2.1', 8000, '192.0.2.9'],
    ['the host reaches a published port at 127.0.0.1', 'host', '127.0.0.1', 8000, '192.168.240.1'],
    ['an endpoint reaches one by the address of its host', a, '192.0.2.1', 8000, '192.168.240.1'],
    ['it reaches what is outside with the address of its host', a, '192.0.2.9', 80, '192.0.2.1'],
    ['a port of one address and interface answers there', 'endpoint:outside', '192.0.2.1', 8001, '192.0.2.9'],
    ['not at another address', 'endpoint:outside', '192.0.2.2', 8001, ''],
    ['nor by another interface', a, '192.0.2.1', 8001, ''],
    ['no endpoint reaches another', a, '192.168.240.4', 80, ''],
    ['nobody outside reaches an endpoint but by a published port', 'endpoint:outside', '192.168.240.4', 80, ''],
  ] as const)('%s', async (_, space, address, port, seen) => {
    // An answer that is to come may take long on a busy machine; for one that must not come nobody waits long.
    expect(await asked(space, address, port, seen === '' ? 1 : 20)).toBe(seen);
  });

  it('no endpoint reaches another by way of the host either', async () => {
    host.exec(a, ['ip', 'route', 'add', '192.168.240.4/32', 'via', '192.168.240.1']);
    expect(await asked(a, '192.168.240.4', 80, 1)).toBe('');
  });
});
