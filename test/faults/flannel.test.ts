import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type LabMachine, makeHosts } from '@portolan/harness';
import { type Lab, startLab } from '@portolan/lab';
import { seededReals } from '@portolan/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flannelApi } from '../flannel/api.js';
import { type EtcdClient, etcdClient } from '../flannel/etcd.js';
import { flanneldKey, flanneldLease, LEASE_SECONDS, leasesIn, SUBNETS } from '../flannel/flanneld.js';
import { type HostKernel, hostKernel } from '../flannel/host-kernel.js';
import { type Pings, steadyPing } from '../flannel/watch.js';
import { labClient } from '../lab-client.js';
import { until } from '../until.js';

/**
 * What may happen to a flannel network, with figures. Through all of it a ping and requests go from container to container; whatever happens, at
 * the end each kernel has what the registry says, exactly, and no subnet has two owners. PORTOLAN_FAULTS=long makes the outage last for minutes and
 * kills more agents.
 *
 *     PORTOLAN_FAULTS=long npx vitest run --project system test/faults/flannel.test.ts
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const IS_LONG = process.env.PORTOLAN_FAULTS === 'long';
const OUTAGE_SECONDS = IS_LONG ? 180 : 10;
/** By tens: the last change of the backend is back to vxlan. */
const KILLS = IS_LONG ? 50 : 20;
const MANY = 1_000;
const POD = { a: '/run/netns/a.1', b: '10.244.2.240' } as const;
const NODES = ['node-a', 'node-b', 'node1'] as const;
/** As examples/flannel.yaml, in subnets so small that the network has a thousand. */
const manifest = {
  nodes: [
    { name: 'node-a', address: '172.16.130.140' },
    { name: 'node-b', address: '172.16.130.164' },
  ],
  flannel: {
    network: '10.244.0.0/16',
    subnetLen: 26,
    backend: { type: 'vxlan' },
    reservations: [
      { node: 'node-a', subnet: '10.244.1.64/26' },
      { node: 'node-b', subnet: '10.244.2.192/26' },
    ],
  },
  endpoints: [
    { name: 'a.1', node: 'node-a', attachment: { netns: POD.a }, flannel: { address: '10.244.1.96' } },
    { name: 'b.1', node: 'node-b', attachment: { netns: '/run/netns/b.1' }, flannel: { address: POD.b } },
  ],
};

let directory: string;
let lab: Lab;
let machine: LabMachine;
let etcd: EtcdClient;
let kernels: ReadonlyMap<string, HostKernel>;
const client = labClient(() => lab);
const flannel = flannelApi(client);

function kernelOf(node: string): HostKernel {
  const kernel = kernels.get(node);
  if (kernel === undefined) throw new Error(`no host ${node}`);
  return kernel;
}

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/faults-'));
  // The third node has no reservation: its subnet is a lease of a day.
  const manifestPath = join(directory, 'manifest.json');
  writeFileSync(manifestPath, JSON.stringify(manifest));
  lab = await startLab({ directory, manifestPath, hosts: NODES.length });
  machine = lab.machineOf('node-a');
  etcd = etcdClient(lab.servers.etcdEndpoints[0] ?? '');
  kernels = new Map(NODES.map((node) => [node, hostKernel(machine, `/run/netns/plab-${node}`)]));
});

afterAll(async () => {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** What the registry says against what a kernel has: the differences, as lines with + for what is there too much and - for what is missing. */
async function differences(node: string): Promise<readonly string[]> {
  const kernel = kernelOf(node);
  const own = lab.hosts.get(node)?.address;
  const peers = (await leasesIn(etcd)).filter(({ address }) => address !== own);
  const wanted = peers.flatMap(({ subnet, base, address, mac }) => [
    `${subnet} via ${base} dev flannel.1 proto 80 onlink`,
    `${base} lladdr ${mac} PERMANENT`,
    `${mac} dst ${address} self permanent`,
  ]);
  const routes = (await kernel.routes()).filter((line) => line.startsWith('10.244.') && !line.includes('dev cni0'));
  const there = new Set([...routes, ...(await kernel.neighbours('flannel.1')), ...(await kernel.fdb('flannel.1'))]);
  const missing = wanted.filter((line) => !there.delete(line)).map((line) => `- ${line}`);
  return [...missing, ...[...there].map((line) => `+ ${line}`)];
}

async function isExact(): Promise<boolean> {
  for (const node of NODES) if ((await differences(node)).length > 0) return false;
  return true;
}

/** No subnet and no address twice, and each node of ours has one. */
async function expectOneOwnerEach(): Promise<void> {
  const leases = await leasesIn(etcd);
  for (const values of [leases.map(({ subnet }) => subnet), leases.map(({ address }) => address)]) expect(values).toEqual([...new Set(values)]);
  const addresses = leases.map(({ address }) => address);
  for (const { address } of lab.hosts.values()) expect(addresses).toContain(address);
}

/** Milliseconds until every kernel has what the registry says and the product says so, too. */
async function repaired(what: string, seconds = 60): Promise<number> {
  const took = await until(what, seconds, isExact, 50).catch(async (error: Error) => {
    const found = await Promise.all(NODES.map(async (node) => `${node}: ${(await differences(node)).slice(0, 10).join('; ')}`));
    throw new Error(`${error.message}\n${found.join('\n')}`);
  });
  await until(`${what}: in sync by the status`, 30, async () => {
    const { phase, leases } = await flannel.status();
    return phase === 'active' && leases.every(({ node, kernel }) => node === null || kernel?.inSync === true);
  });
  return took;
}

/** The lease of one of a thousand hosts with flanneld, which are nowhere: `index` from 0. */
async function putForeign(index: number, mac = macOf(index)): Promise<void> {
  await etcd.put(flanneldKey(foreignSubnet(index)), flanneldLease(`172.20.${index >> 8}.${index & 255}`, 'vxlan', mac), await etcd.grant(LEASE_SECONDS));
}
function macOf(index: number, generation = 0): string {
  return `0a:00:00:${[generation, index >> 8, index & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}
/** Those after the first sixteen of the network, which are for nodes of ours. */
function foreignSubnet(index: number): string {
  const bits = (index + 16) * 64;
  return `10.244.${bits >> 8}.${bits & 255}/26`;
}
async function putMany(count: number): Promise<void> {
  const queue = Array.from({ length: count }, (_, index) => index);
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let index = queue.shift(); index !== undefined; index = queue.shift()) await putForeign(index);
    }),
  );
}
async function removeForeign(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await etcd.remove(flanneldKey(foreignSubnet(index)));
}

/** Of the test that runs: what there is to say of it. */
let what = '';
let pings: Awaited<ReturnType<typeof steadyPing>>;
let load: Awaited<ReturnType<Lab['load']>>;

beforeEach(async () => {
  what = 'not finished';
  pings = await steadyPing(machine, POD.a, POD.b);
  load = await lab.load('a.1', `http://${POD.b}:8080/`, 20);
});

afterEach(async () => {
  const [{ sent, received }, answers] = (await Promise.all([pings.stop(), load.stop()])) as [Pings, Awaited<ReturnType<typeof load.stop>>];
  console.log(`${what}; meanwhile ${sent - received} of ${sent} pings lost, ${answers.failures.length} of ${answers.sent} requests failed`);
  expect(answers.failures).toEqual([]);
  expect(sent - received).toBe(0);
  await expectOneOwnerEach();
});

function etcdServer() {
  const { etcd: server } = lab.servers.own;
  if (server === undefined) throw new Error('the lab has no etcd of its own');
  return server;
}

async function subnetOf(node: string): Promise<string | undefined> {
  const address = lab.hosts.get(node)?.address;
  return (await leasesIn(etcd)).find((lease) => lease.address === address)?.subnet;
}

describe('a flannel network outlives', () => {
  it('etcd: packets go on, kernels are put right, and what came meanwhile is there afterwards', async () => {
    await putForeign(0);
    await repaired('a peer before the outage');
    await etcdServer().kill('SIGKILL');
    await until('it is told that etcd does not answer', 30, async () => !(await flannel.status()).etcd);
    // An agent that starts meanwhile has its state from the control plane.
    await lab.killAgent('node1', 'SIGKILL');
    await kernelOf('node1').ip('route', 'flush', 'proto', '80');
    await lab.startAgent('node1');
    await until('routes are put right without etcd', 30, async () => (await kernelOf('node1').routes()).some((line) => line.startsWith('10.244.1.64/26')));
    await sleep(OUTAGE_SECONDS * 1000);
    await etcdServer().restart();
    const start = performance.now();
    await putForeign(1);
    await repaired('a peer after the outage');
    what = `etcd away for ${OUTAGE_SECONDS} s: a lease after it is in every kernel ${Math.round(performance.now() - start)} ms after it was back`;
    await removeForeign(2);
    await repaired('without peers');
  });

  it('an etcd that comes back compacted, with peers changed, gone and new', async () => {
    for (const index of [0, 1, 2]) await putForeign(index);
    await repaired('three peers');
    // While it is halted its connections are lost, and what happened is forgotten.
    await lab.controlPlane.kill('SIGSTOP');
    await etcdServer().kill('SIGKILL');
    await etcdServer().restart();
    await putForeign(0, macOf(0, 1));
    await etcd.remove(flanneldKey(foreignSubnet(1)));
    await putForeign(3);
    const revision = await etcd.compact();
    await lab.controlPlane.kill('SIGCONT');
    const took = await repaired('what was compacted');
    what = `compacted at revision ${revision} while nobody watched: in every kernel after ${Math.round(took)} ms`;
    await removeForeign(4);
    await repaired('without peers');
  });

  it('the loss of all of etcd: every node has its subnet again, by the same MAC', async () => {
    const before = await leasesIn(etcd);
    for (const { key } of await etcd.range('/coreos.com/network')) await etcd.remove(key);
    const took = await until('the registry is as it was', 30, async () => JSON.stringify(await leasesIn(etcd)) === JSON.stringify(before), 50);
    what = `all keys of the registry removed: written again after ${Math.round(took)} ms`;
    expect(await etcd.get('/coreos.com/network/config')).toBeDefined();
    await repaired('the registry written again');
  });

  it('the expiry of a lease: the node has the same subnet again', async () => {
    const subnet = await subnetOf('node1');
    const entry = (await etcd.range(SUBNETS)).find(({ key }) => key === flanneldKey(subnet ?? ''));
    expect(await etcd.timeToLive(entry?.lease ?? '')).toMatchObject({ granted: LEASE_SECONDS });
    await etcd.revoke(entry?.lease ?? '');
    const took = await until('it has one', 30, async () => (await subnetOf('node1')) !== undefined, 50);
    what = `a lease revoked: the node has ${subnet} again after ${Math.round(took)} ms`;
    expect(await subnetOf('node1')).toBe(subnet);
    await repaired('the expiry');
  });

  it(`${MANY} leases at once, and their going`, async () => {
    const start = performance.now();
    await putMany(MANY);
    const written = performance.now() - start;
    await repaired('all of them', 180);
    const joined = performance.now() - start;
    const again = performance.now();
    await removeForeign(MANY);
    const removed = performance.now() - again;
    await repaired('none of them', 180);
    what = `${MANY} leases written in ${Math.round(written)} ms: in every kernel after ${Math.round(joined)} ms; removed in ${Math.round(removed)} ms: gone after ${Math.round(performance.now() - again)} ms`;
  });

  it(`its agents killed by SIGKILL at ${KILLS} moments during changes of peers and of the backend`, async () => {
    const seed = Math.floor(Math.random() * 0x7fffffff);
    const random = seededReals(seed);
    console.log(`seed ${seed}`);
    const changes: Promise<void>[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      const index = Math.floor(random() * 20);
      if (random() < 0.3) await etcd.remove(flanneldKey(foreignSubnet(index)));
      else await putForeign(index, macOf(index, round));
      // Hosts with flanneld stay by VXLAN, so that is held all the time, and kernels can be compared with the registry at the end.
      if (round % 10 === 4) changes.push(flannel.choose({ type: 'host-gw' }));
      if (round % 10 === 9) changes.push(flannel.choose({ type: 'vxlan' }));
      await sleep(random() * 900);
      const node = random() < 0.5 ? 'node-a' : 'node-b';
      await lab.killAgent(node, 'SIGKILL');
      await lab.startAgent(node);
    }
    const took = await repaired('every kernel as the registry says', 120);
    await Promise.all(changes);
    what = `${KILLS} agents killed: every kernel as the registry says ${Math.round(took)} ms after the last was started`;
    await removeForeign(20);
    await repaired('without peers');
  });

  it('a node that is installed anew with the same address', async () => {
    const [subnet, host] = [await subnetOf('node1'), lab.hosts.get('node1')];
    if (host === undefined) throw new Error('no host node1');
    const mac = (await kernelOf('node1').link('flannel.1'))?.address;
    await lab.killAgent('node1', 'SIGKILL');
    await machine.run(['ip', 'netns', 'delete', 'plab-node1']);
    await machine.run(['ip', 'link', 'delete', host.port]);
    await machine.run(['sh', '-c', 'umount -l /run/portolan-lab/node1/netns/* 2>/dev/null; rm -rf /run/portolan-lab/node1']);
    rmSync(lab.fileRootOf('node1'), { recursive: true, force: true });
    await until('nobody hears of it', 30, async () => (await client.call<{ condition: string }>('/nodes/node1')).condition !== 'up');
    await makeHosts(machine, [host]);
    const start = performance.now();
    await lab.startAgent('node1');
    await repaired('the new host');
    what = `a node installed anew: in sync ${Math.round(performance.now() - start)} ms after its agent was started`;
    expect(await subnetOf('node1')).toBe(subnet);
    expect((await kernelOf('node1').link('flannel.1'))?.address).toBe(mac);
    const answers = await machine.run([
      'nsenter',
      `--net=${POD.a}`,
      '--',
      'ping',
      '-n',
      '-c',
      '1',
      '-W',
      '1',
      (subnet ?? '').replace(/\d+\/26$/, (end) => String(Number.parseInt(end, 10) + 1)),
    ]);
    expect(answers.stdout).toContain(' 1 received');
  });
});
