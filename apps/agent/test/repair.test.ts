import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernelEvents, openLinuxKernel } from '@portolan/kernel';
import { kernelObject, nodeState, nothingToWatch, type ObjectBody } from '@portolan/node-state';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER, NODE, openStage, type Stage, until } from './stage.js';

const PEER_MAC = '02:42:0a:f4:02:00';
const bodies: readonly ObjectBody[] = [
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
  { kind: 'neighbour', link: 'flannel.1', address: '10.244.2.0', mac: PEER_MAC },
  { kind: 'fdb', link: 'flannel.1', mac: PEER_MAC, vtep: '172.16.130.164' },
  { kind: 'route', destination: '10.244.2.0/24', via: '10.244.2.0', link: 'flannel.1', onlink: true },
  { kind: 'route', destination: '10.244.3.0/24', via: '172.16.130.165', link: 'eth0' },
  { kind: 'bridge', name: 'cni0', mtu: 1450, mac: '02:42:0a:f4:01:01' },
  { kind: 'address', link: 'cni0', address: '10.244.1.1', prefixLength: 24 },
];
const state = nodeState({
  cluster: CLUSTER,
  node: NODE,
  address: '172.16.130.140',
  endpoints: {},
  watch: nothingToWatch,
  objects: bodies.map((body) => kernelObject('host', body, { computedBy: 'flannel' })),
});

let folder: string;
/** A namespace that stands for the host. */
let host: string;
let stage: Stage;

function run(command: string): string {
  return execFileSync('nsenter', [`--net=${host}`, '--', 'bash', '-euc', command], { encoding: 'utf8' });
}

/** What flannel has in the kernel, as people look at it; numbers of links change when they are made anew. */
function seen(): string {
  const lines = run('ip route; ip -o link show flannel.1; ip -o link show cni0; ip -o -4 addr; ip neigh show nud permanent; bridge fdb show dev flannel.1')
    .split('\n')
    .map((line) => line.replace(/^\d+: /, '').replace(/^(cni0: .* link\/ether )\S+/, '$1'));
  return lines.sort().join('\n');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-repair-'));
  host = join(folder, 'host');
  writeFileSync(host, '');
  execFileSync('unshare', [`--net=${host}`, 'ip', 'link', 'set', 'lo', 'up']);
  run('ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add 172.16.130.140/24 dev eth0');
  stage = await openStage();
  stage.offer(1, state);
  // The timer never helps.
  const agent = stage.agent(
    { resync: 600_000 },
    { kernel: openLinuxKernel({ runDirectory: join(folder, 'run'), host }), kernelEvents: (on) => kernelEvents({ host, ...on }) },
  );
  await agent.start();
  await until(() => stage.plane.reports.length > 0, 'applied', 20_000);
});
afterAll(async () => {
  await stage.dispose();
  execFileSync('umount', [host]);
  rmSync(folder, { recursive: true, force: true });
});

describe('what is done to flannel behind the back of the agent', () => {
  it.each([
    ['its routes are flushed', 'ip route flush proto 80', ['route/host/10.244.2.0/24', 'route/host/10.244.3.0/24']],
    ['its device is deleted', 'ip link del flannel.1', ['flannel-vtep/host/flannel.1']],
    ['another program takes the route', 'ip route replace 10.244.2.0/24 via 172.16.130.1', ['route/host/10.244.2.0/24']],
    ['the device gets another MTU', 'ip link set flannel.1 mtu 1400', ['flannel-vtep/host/flannel.1']],
    ['the device gets another address', 'ip link set flannel.1 address 02:00:00:00:00:01', ['flannel-vtep/host/flannel.1']],
    ['the underlay goes down and comes up', 'ip link set eth0 down; sleep 0.2; ip link set eth0 up', ['route/host/10.244.3.0/24']],
    ['a forwarding entry goes', `bridge fdb del ${PEER_MAC} dev flannel.1`, [`fdb/host/flannel.1/${PEER_MAC}`]],
    ['its neighbours are flushed', 'ip neigh flush dev flannel.1 nud permanent', ['neighbour/host/flannel.1/10.244.2.0']],
    ['the bridge is deleted', 'ip link del cni0', ['bridge/host/cni0']],
    ['the bridge loses its address', 'ip addr flush dev cni0', ['address/host/cni0/10.244.1.1']],
  ])('is set right without the timer, and told: %s', async (_what, command, keys) => {
    // A look a second at most: the one before is over, and with it the time in which changes count as its own.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const before = seen();
    const told = stage.plane.reports.length;
    run(command);
    const found = () => stage.plane.reports.slice(told).flatMap(({ steps }) => steps.map(({ key }) => key));
    await until(() => keys.every((key) => found().includes(key)) && seen() === before, `${command} is undone`, 10_000);
    expect(stage.lastReport()).toMatchObject({ status: 'applied', errors: [] });
  });

  it('and when it was repaired, the agent rests', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const count = async (): Promise<string> => (await stage.metrics.registry.metrics()).match(/syncs_total.*/g)?.join() ?? '';
    const runs = await count();
    run('ip link add v0 type veth peer name v1; ip link set v0 up; ip route add 10.98.0.0/16 dev v0; ip link del v0');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await count()).toBe(runs);
  });
});
