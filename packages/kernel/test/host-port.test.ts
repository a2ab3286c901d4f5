import { type KernelObject, kernelObject, type NodeState, nodeState, nothingToWatch, type ObjectBody, type Space } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Kernel, openLinuxKernel } from '../src/index.js';
import { answerDatagrams, type Datagrams, datagramClient } from './datagram-peers.js';
import { reach } from './reach.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

const HOST_ADDRESS = '192.0.2.1';
const PUBLISHED = 5140;
const TARGET = 514;
const addresses = { a: '172.20.0.3', b: '172.20.0.4' } as const;

let host: ThrowawayHost;
let kernel: Kernel;
let outside: string;
let sockets: Datagrams[];
beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
  outside = host.container('outside');
  sockets = [];
  host.run(`ip link add eth0 type veth peer name eth0 netns ${outside}; ip addr add ${HOST_ADDRESS}/24 dev eth0; ip link set eth0 up`);
  host.run('ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up', outside);
});
afterEach(() => {
  for (const socket of sockets) socket.close();
  host.dispose();
});

/** A host with two containers behind its bridge, and a UDP port that is published in mode host for one of them, or for none. */
function published(to: keyof typeof addresses | undefined): NodeState {
  const of = (space: Space, ...bodies: ObjectBody[]): KernelObject[] => bodies.map((body) => kernelObject(space, body, { computedBy: 'gateway' }));
  const stages = ['prerouting', 'output', 'postrouting'] as const;
  const containers = Object.entries(addresses).flatMap(([name, address]) => {
    const space: Space = `endpoint:${name}`;
    return [
      ...of('host', {
        kind: 'veth',
        name: `ptl_${name}`,
        master: 'ptl_gwbridge',
        mtu: 1500,
        isolated: true,
        peer: { space, name: 'ptl_gw', mac: `02:42:ac:14:00:0${address.at(-1)}` },
      }),
      ...of(
        space,
        { kind: 'address', link: 'ptl_gw', address, prefixLength: 16 },
        { kind: 'route', destination: 'default', via: '172.20.0.1', link: 'ptl_gw' },
      ),
    ];
  });
  return nodeState({
    cluster: '',
    node: '',
    address: HOST_ADDRESS,
    endpoints: Object.fromEntries(Object.keys(addresses).map((name) => [name, { name, attachment: { netns: host.container(name) } }])),
    watch: nothingToWatch,
    objects: [
      ...of(
        'host',
        { kind: 'bridge', name: 'ptl_gwbridge', mtu: 1500, mac: '02:42:ac:14:00:01' },
        { kind: 'address', link: 'ptl_gwbridge', address: '172.20.0.1', prefixLength: 16 },
        { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
        { kind: 'gateway-policy', link: 'ptl_gwbridge', subnet: '172.20.0.0/16' },
        ...stages.map((stage): ObjectBody => ({ kind: 'rule-entry', table: 'nat', stage })),
        { kind: 'rule-entry', table: 'filter', stage: 'forward' },
        ...(to === undefined ? [] : [{ kind: 'port-forward', protocol: 'udp', port: PUBLISHED, to: addresses[to], toPort: TARGET } as const]),
      ),
      ...containers,
    ],
  });
}

async function answeredBy(through: Kernel): Promise<readonly (readonly string[])[]> {
  sockets.push(answerDatagrams(host.container('a'), TARGET, 'a'), answerDatagrams(host.container('b'), TARGET, 'b'));
  const client = datagramClient(outside, 40_000);
  sockets.push(client);
  const answers: (readonly string[])[] = [];
  for (const to of [undefined, 'a', 'b'] as const) {
    await reach(through, published(to), { known: answers.length > 0 });
    answers.push(await client.ask(HOST_ADDRESS, PUBLISHED, 3));
  }
  return answers;
}

describe('a UDP port in mode host', () => {
  it('leads one client port on to where it is published, and then to another container', async () => {
    expect(await answeredBy(kernel)).toEqual([
      ['', '', ''],
      ['a', 'a', 'a'],
      ['b', 'b', 'b'],
    ]);
  });

  it('would keep it where it was, were the flows not forgotten', async () => {
    const forgetful: Kernel = { ...kernel, apply: (batches) => kernel.apply(batches.filter(({ tool }) => tool !== 'conntrack')) };
    const [before, , last] = await answeredBy(forgetful);
    expect([before, last]).not.toContainEqual(['b', 'b', 'b']);
  });
});
