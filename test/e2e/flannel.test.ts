import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hostOf, type LabMachine, makeHosts } from '@portolan/harness';
import { type Lab, leftovers, programs, startLab, takeDown } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4Packet, type Packet, vxlanFrame } from '../capture/packets.js';
import { flannelApi, type LeaseRow, reportedSteps } from '../flannel/api.js';
import { type EtcdClient, etcdClient } from '../flannel/etcd.js';
import { type Backend, type FlanneldHost, flanneldHost, flanneldKey, flanneldLease, LEASE_SECONDS, SUBNETS } from '../flannel/flanneld.js';
import { type FarHost, farHost, type HostKernel, hostKernel } from '../flannel/host-kernel.js';
import type { UdpPeerFigures } from '../flannel/udp-peer.js';
import { capture, ping, steadyPing } from '../flannel/watch.js';
import { labClient } from '../lab-client.js';
import { until } from '../until.js';

/**
 * The study's flannel network (examples/flannel.yaml) on this machine's kernel: a packet from 10.244.1.96 to 10.244.2.194 by each backend, hosts
 * with flanneld beside ours, and what is put right when somebody changes a kernel. The tests build on one another.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const A = { host: '172.16.130.140', subnet: '10.244.1.0/24', base: '10.244.1.0', pod: '10.244.1.96', netns: '/run/netns/a.1' } as const;
const B = { host: '172.16.130.164', subnet: '10.244.2.0/24', base: '10.244.2.0', pod: '10.244.2.194', netns: '/run/netns/b.1' } as const;

/** What the study's walk and captures of flanneld say of each backend. TTL 64 leaves a container. */
const walks = {
  vxlan: { device: 'flannel.1', mtu: 1450, port: 8472, ttlOnWire: 63, ttlInPod: 62 },
  'host-gw': { device: undefined, mtu: 1500, port: undefined, ttlOnWire: 63, ttlInPod: 62 },
  udp: { device: 'flannel0', mtu: 1472, port: 8285, ttlOnWire: 62, ttlInPod: 60 },
} as const;
/** Ethernet's MTU, which the largest packet fills outside whatever the backend. */
const UNDERLAY_MTU = 1500;

let directory: string;
let lab: Lab;
let machine: LabMachine;
let etcd: EtcdClient;
let a: HostKernel;
let b: HostKernel;
let foreign: FlanneldHost;
const client = labClient(() => lab);
const flannel = flannelApi(client);

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  lab = await startLab({ directory, manifestPath: programs.flannelExample });
  machine = lab.machineOf('node-a');
  etcd = etcdClient(lab.servers.etcdEndpoints[0] ?? '');
  a = hostKernel(machine, '/run/netns/plab-node-a');
  b = hostKernel(machine, '/run/netns/plab-node-b');
  const host = hostOf('flanneld', '172.16.130.150');
  await makeHosts(machine, [host]);
  foreign = flanneldHost(machine, host, '10.244.9.0/24', etcd);
});

afterAll(async () => {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function rowOf(subnet: string): Promise<LeaseRow | undefined> {
  return (await flannel.status()).leases.find((row) => row.subnet === subnet);
}

/** Milliseconds until it holds, looked at often. */
const soon = (what: string, holds: () => Promise<boolean>): Promise<number> => until(what, 20, holds, 20);

async function vtepMac(subnet: string): Promise<string> {
  const { value } = (await etcd.get(flanneldKey(subnet))) ?? { value: '{}' };
  return (JSON.parse(value) as { BackendData?: { VtepMAC?: string } }).BackendData?.VtepMAC ?? '';
}

/** Everything that a host has about a subnet or a public address: routes, neighbours, forwarding entries. */
async function tracesOf(kernel: HostKernel, ...words: string[]): Promise<readonly string[]> {
  const found = [...(await kernel.routes()), ...(await kernel.neighbours('flannel.1')), ...(await kernel.fdb('flannel.1'))];
  return found.filter((line) => words.some((word) => line.includes(word)));
}

/** What is inside a packet of the underlay, and how it was packed. */
function unpacked(
  backend: Backend,
  packet: Packet,
): { readonly outer: Packet; readonly inner: Packet; readonly vni?: number; readonly flags?: number } | undefined {
  if (backend === 'host-gw') return { outer: packet, inner: packet };
  if (packet.payload === undefined || packet.ports?.destination !== walks[backend].port) return undefined;
  if (backend === 'vxlan') {
    const frame = vxlanFrame(packet.payload);
    return frame && { outer: packet, ...frame };
  }
  const inner = ipv4Packet(packet.payload);
  return inner && { outer: packet, inner };
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

describe('a lab without VIPs', () => {
  it('runs on the kernel of this machine, IPVS or not', () => {
    expect(lab.kind).toBe(process.env.PORTOLAN_LAB_MACHINE === 'uml' ? 'uml' : 'native');
  });
});

describe.each(['vxlan', 'host-gw', 'udp'] as const)('backend %s', (backend) => {
  const walk = walks[backend];

  it('is taken by the living network, and no request fails meanwhile', async () => {
    const load = await lab.load('a.1', `http://${B.pod}:8080/?size=20000`, 50);
    const pings = await steadyPing(machine, A.netns, B.pod);
    await sleep(300);
    const start = performance.now();
    const [outcome] = await Promise.allSettled([flannel.switchTo({ type: backend })]);
    const took = performance.now() - start;
    await sleep(300);
    const [{ failures, sent }, { sent: asked, received }] = await Promise.all([load.stop(), pings.stop()]);
    if (outcome.status === 'rejected') throw outcome.reason;
    console.log(`switched to ${backend} in ${Math.round(took)} ms: ${failures.length} of ${sent} requests failed, ${asked - received} of ${asked} pings lost`);
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(25);
    for (const other of ['flannel.1', 'flannel0']) {
      if (other !== walk.device) expect([await a.link(other), await b.link(other)]).toEqual([undefined, undefined]);
    }
  });

  it('has in etcd what flanneld writes, and nothing of it anywhere else', async () => {
    expect(await etcd.get('/coreos.com/network/config')).toMatchObject({ value: `{"Network":"10.244.0.0/16","Backend":{"Type":"${backend}"}}`, lease: '0' });
    const entries = await etcd.range(SUBNETS);
    const macs = backend === 'vxlan' ? [await vtepMac(A.subnet), await vtepMac(B.subnet)] : [];
    expect(entries.map(({ key, value }) => [key, value])).toEqual([
      [flanneldKey(A.subnet), flanneldLease(A.host, backend, macs[0])],
      [flanneldKey(B.subnet), flanneldLease(B.host, backend, macs[1])],
    ]);
    // Both are reserved.
    expect(entries.map(({ lease }) => lease)).toEqual(['0', '0']);
    if (backend === 'vxlan') expect([(await a.link('flannel.1'))?.address, (await b.link('flannel.1'))?.address]).toEqual(macs);
  });

  it('has in the kernel what flanneld puts there', async () => {
    const link = await a.link(walk.device ?? 'flannel.1');
    const ours = (await a.routes()).filter((line) => line.startsWith('10.244.') && !line.includes('dev cni0'));
    if (backend === 'vxlan') {
      const mac = await vtepMac(B.subnet);
      expect(link).toMatchObject({ mtu: 1450, flags: expect.arrayContaining(['UP']) as unknown });
      expect(link?.linkinfo).toMatchObject({
        info_kind: 'vxlan',
        info_data: { id: 1, local: A.host, link: 'eth1', port: 8472, learning: false, ttl: 0, ageing: 300, udp_csum: true, udp_zero_csum6_tx: false },
      });
      expect(await a.addresses('flannel.1')).toEqual([`${A.base}/32`]);
      expect(ours).toEqual([`${B.subnet} via ${B.base} dev flannel.1 proto 80 onlink`]);
      expect(await a.neighbours('flannel.1')).toEqual([`${B.base} lladdr ${mac} PERMANENT`]);
      expect(await a.fdb('flannel.1')).toEqual([`${mac} dst ${B.host} self permanent`]);
    } else if (backend === 'host-gw') {
      expect(link).toBeUndefined();
      expect(ours).toEqual([`${B.subnet} via ${B.host} dev eth1 proto 80`]);
    } else {
      expect(link).toMatchObject({ mtu: 1472, flags: expect.arrayContaining(['POINTOPOINT', 'NOARP', 'UP']) as unknown });
      expect(link?.linkinfo).toMatchObject({ info_kind: 'tun', info_data: { type: 'tun', pi: false, vnet_hdr: false } });
      expect(await a.addresses('flannel0')).toEqual([`${A.base}/32`]);
      expect(ours).toEqual(['10.244.0.0/16 dev flannel0 proto 80']);
    }
    expect(await a.addresses('cni0')).toEqual(['10.244.1.1/24']);
    expect((await a.run('sysctl', '-n', 'net.ipv4.ip_forward')).trim()).toBe('1');
  });

  it('writes subnet.env as flanneld does', () => {
    const file = (node: string): string => readFileSync(join(lab.fileRootOf(node), 'run/flannel/subnet.env'), 'utf8');
    const text = (gateway: string): string => `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=${gateway}/24\nFLANNEL_MTU=${walk.mtu}\nFLANNEL_IPMASQ=true\n`;
    expect([file('node-a'), file('node-b')]).toEqual([text('10.244.1.1'), text('10.244.2.1')]);
  });

  it('shows who has what, and that the kernels have it', async () => {
    const { etcd: answers, leases } = await flannel.status();
    expect(answers).toBe(true);
    const vxlan = backend === 'vxlan';
    expect(leases).toMatchObject(
      [
        { node: 'node-a', ...A },
        { node: 'node-b', ...B },
      ].map(({ node, subnet, host }) => ({
        key: subnet.replace('/', '-'),
        subnet,
        node,
        foreign: false,
        publicAddress: host,
        backendType: backend,
        vni: vxlan ? 1 : null,
        reserved: true,
        fault: null,
        reason: null,
        kernel: { inSync: true, differing: [] },
      })),
    );
  });

  it('carries a ping and a request from container to container as the walk of the study has it', async () => {
    const onWire = await capture(machine, '/run/netns/plab-node-b', 'eth1');
    const inPod = await capture(machine, B.netns, 'pod0');
    const pings = await ping(machine, A.netns, B.pod, { count: 3, size: walk.mtu - 28, whole: true });
    const { answers, failures } = await lab.request('a.1', `http://${B.pod}:8080/`, 2);
    const [wire, pod] = await Promise.all([onWire.stop(), inPod.stop()]);
    expect([pings.received, pings.ttls]).toEqual([3, [walk.ttlInPod]]);
    expect(failures).toEqual([]);
    expect(answers).toEqual(Array(2).fill({ endpoint: 'b.1', node: 'node-b', client: A.pod }));

    const there = wire.flatMap((packet) => unpacked(backend, packet) ?? []).filter(({ inner }) => inner.source === A.pod && inner.destination === B.pod);
    expect([...unique(there.map(({ inner }) => inner.protocol))].sort()).toEqual([1, 6]);
    expect(there.filter(({ inner }) => inner.icmpType === 8)).toHaveLength(3);
    expect(unique(there.map(({ inner }) => inner.ttl))).toEqual([walk.ttlOnWire]);
    expect(Math.max(...there.map(({ outer }) => outer.length))).toBe(UNDERLAY_MTU);
    const outside = there.map(({ outer }) => outer);
    expect(unique(outside.map(({ ethernet }) => ethernet?.destination))).toEqual([(await b.link('eth1'))?.address]);
    if (backend !== 'host-gw') {
      expect(unique(outside.map(({ source, destination, protocol }) => `${source} ${destination} ${protocol}`))).toEqual([`${A.host} ${B.host} 17`]);
      expect(unique(outside.map(({ ports }) => ports?.destination))).toEqual([walk.port]);
    }
    if (backend === 'vxlan') {
      expect(unique(there.map(({ vni, flags }) => `${vni} ${flags}`))).toEqual(['1 8']);
      const frames = there.map(({ inner: { ethernet } }) => `${ethernet?.source} ${ethernet?.destination}`);
      expect(unique(frames)).toEqual([`${await vtepMac(A.subnet)} ${await vtepMac(B.subnet)}`]);
      expect(unique(outside.map(({ ttl, dontFragment }) => `${ttl} ${dontFragment}`))).toEqual(['64 false']);
    }
    if (backend === 'udp') expect(unique(outside.map(({ ports, dontFragment }) => `${ports?.source} ${dontFragment}`))).toEqual(['8285 true']);
    const arrived = pod.filter(({ source }) => source === A.pod);
    expect(unique(arrived.map(({ ttl }) => ttl))).toEqual([walk.ttlInPod]);
  });

  it('takes a packet of the MTU whole, and none that is one byte longer', async () => {
    const { mtu } = JSON.parse(await hostKernel(machine, A.netns).run('ip', '-j', 'link', 'show', 'pod0')).at(0) as { mtu: number };
    expect(mtu).toBe(walk.mtu);
    expect((await ping(machine, A.netns, B.pod, { size: walk.mtu - 28, whole: true })).received).toBe(1);
    const longer = await ping(machine, A.netns, B.pod, { size: walk.mtu - 27, whole: true });
    expect(longer.received).toBe(0);
    expect(longer.output).toContain(`mtu=${walk.mtu}`);
  });

  it('gives further containers addresses of the subnet, that are reached, and disturbs no other by their coming and going', async () => {
    const pings = await steadyPing(machine, A.netns, B.pod);
    const netns = await lab.addContainer('a.2', 'node-a', '8080/tcp');
    await client.call('/endpoints?wait=applied', 'POST', { name: 'a.2', node: 'node-a', attachment: { netns }, flannel: {} });
    await flannel.settled();
    const { flannelAddress } = await client.call<{ flannelAddress: string }>('/endpoints/a.2');
    expect(flannelAddress).toMatch(/^10\.244\.1\.\d+$/);
    expect((await lab.request('b.1', `http://${flannelAddress}:8080/`, 2)).answers.map(({ client: seen }) => seen)).toEqual([B.pod, B.pod]);
    expect((await lab.request('a.1', `http://${flannelAddress}:8080/`, 1)).answers.map(({ client: seen }) => seen)).toEqual([A.pod]);
    await client.call('/endpoints/a.2?wait=applied', 'DELETE');
    await lab.removeContainer('a.2');
    await sleep(300);
    const { sent, received } = await pings.stop();
    expect(sent - received).toBe(0);
  });

  it('reaches a host with flanneld, and is reached by it', async () => {
    await foreign.join(backend);
    const took = await soon('there is a way to the foreign host', async () => backend === 'udp' || (await tracesOf(a, '10.244.9.0/24')).length === 1);
    let peer: { stop(): Promise<UdpPeerFigures> } | undefined;
    if (backend === 'udp') peer = await udpPeer();
    await until('both kernels are in sync', 10, async () => {
      const { leases } = await flannel.status();
      return leases.length === 3 && leases.every(({ kernel, node }) => node === null || kernel?.inSync === true);
    });
    console.log(`${backend}: there is a way to a host with flanneld ${Math.round(took)} ms after its lease`);
    const row = await rowOf(foreign.subnet);
    expect(row).toMatchObject({ node: null, foreign: true, publicAddress: foreign.address, backendType: backend, reserved: false, fault: null });
    expect(row?.secondsLeft).toBeGreaterThan(LEASE_SECONDS - 120);
    for (const pod of [A, B]) expect((await ping(machine, pod.netns, foreign.pod, { count: 2 })).received).toBe(2);
    if (peer === undefined) {
      const back = await machine.run(['nsenter', `--net=${foreign.netns}`, '--', 'ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', '-I', foreign.pod, A.pod]);
      expect(back.stdout).toContain(' 2 received');
    } else {
      const { asked, answers, ttls, senders } = await peer.stop();
      expect(answers).toBeGreaterThanOrEqual(asked - 2);
      expect(ttls).toEqual([walks.udp.ttlOnWire]);
      expect(senders).toEqual([`${A.host}:8285`, `${B.host}:8285`]);
    }
  });

  it('follows its changes, and leaves nothing stale', async () => {
    const [mac, address] = ['aa:bb:cc:00:00:10', '172.16.130.151'];
    await etcd.put(flanneldKey(foreign.subnet), flanneldLease(foreign.address, backend, mac), await etcd.grant(LEASE_SECONDS));
    if (backend === 'vxlan') {
      for (const host of [a, b]) {
        await soon('the new MAC alone', async () => (await tracesOf(host, foreign.address)).join() === `${mac} dst ${foreign.address} self permanent`);
        expect(await tracesOf(host, 'aa:bb:cc:00:00:09')).toEqual([]);
      }
    }
    await etcd.put(flanneldKey(foreign.subnet), flanneldLease(address, backend, mac), await etcd.grant(LEASE_SECONDS));
    await until('the new address is known', 10, async () => (await rowOf(foreign.subnet))?.publicAddress === address);
    await flannel.settled();
    for (const host of [a, b]) {
      const traces = await tracesOf(host, address, foreign.address, mac);
      if (backend === 'vxlan') expect([...traces].sort()).toEqual(['10.244.9.0 lladdr aa:bb:cc:00:00:10 PERMANENT', `${mac} dst ${address} self permanent`]);
      if (backend === 'host-gw') expect(traces).toEqual([`${foreign.subnet} via ${address} dev eth1 proto 80`]);
      if (backend === 'udp') expect(traces).toEqual([]);
    }
  });

  it('forgets it everywhere when its lease goes', async () => {
    await foreign.leave();
    for (const host of [a, b]) await soon('nothing of it is left', async () => (await tracesOf(host, '10.244.9.', '172.16.130.15', 'aa:bb:cc')).length === 0);
    expect(await rowOf(foreign.subnet)).toBeUndefined();
    expect((await ping(machine, A.netns, B.pod, { count: 2 })).received).toBe(2);
  });

  it('takes garbage in the registry for a finding, and lets it harm nobody', async () => {
    const routes = [await a.routes(), await b.routes()];
    const pings = await steadyPing(machine, A.netns, B.pod);
    await etcd.put(`${SUBNETS}10.244.77.0-24`, '{"PublicIP":"172.16.130.');
    await etcd.put(`${SUBNETS}nonsense`, flanneldLease('172.16.130.99', 'host-gw'));
    await until('both are seen', 10, async () => (await flannel.status()).leases.filter(({ fault }) => fault !== null).length === 2);
    const findings = (await flannel.findings()).map(({ message, fix }) => `${message} ${fix}`);
    for (const key of ['10.244.77.0-24', 'nonsense']) expect(findings.filter((text) => text.includes(key))).toHaveLength(1);
    await flannel.settled();
    expect([await a.routes(), await b.routes()]).toEqual(routes);
    await etcd.remove(`${SUBNETS}10.244.77.0-24`);
    await etcd.remove(`${SUBNETS}nonsense`);
    await until('both are gone', 10, async () => (await flannel.status()).leases.length === 2);
    const { sent, received } = await pings.stop();
    expect(sent - received).toBe(0);
  });

  it('is put right when somebody changes a kernel', async () => {
    for (const { what, harm, holds, found, within = soonEnough.event } of repairs(backend)) {
      await until('nothing is left to do', 15, async () => (await rowOf(A.subnet))?.kernel?.inSync === true);
      // An agent takes what it hears within 0.3 s of its own work for that work; what somebody does just then, its timer finds.
      await sleep(400);
      const since = new Date();
      await harm();
      const took = await soon(`${what}: put right`, holds);
      console.log(`${backend}: ${what}: put right within ${Math.round(took)} ms`);
      expect(took).toBeLessThan(within);
      expect((await ping(machine, A.netns, B.pod, { count: 1 })).received).toBe(1);
      if (found === undefined) continue;
      await until(`${what}: reported`, 10, async () => (await reportedSteps(lab, 'node-a', since)).some(({ key }) => key.startsWith(found)));
    }
  });
});

interface Repair {
  readonly what: string;
  harm(): Promise<unknown>;
  /** Whether the kernel of node-a is as it should be again. */
  holds(): Promise<boolean>;
  /** Start of the key of an object that the report must name; undefined where nothing was lost. */
  readonly found?: string;
  /** Milliseconds that it may take; what no event tells of is found by the agent's timer. */
  readonly within?: number;
}

/** By an event, and by the look at everything every 5 s. */
const soonEnough = { event: 2_000, timer: 7_000 } as const;

function repairs(backend: Backend): readonly Repair[] {
  const wayTo = { vxlan: `${B.subnet} via ${B.base} dev flannel.1`, 'host-gw': `${B.subnet} via ${B.host} dev eth1`, udp: '10.244.0.0/16 dev flannel0' }[
    backend
  ];
  const destination = wayTo.split(' ')[0] ?? '';
  const routed = async (): Promise<boolean> =>
    (await a.routes()).filter((line) => line.startsWith(destination)).join() === `${wayTo} proto 80${backend === 'vxlan' ? ' onlink' : ''}`;
  const flushed: Repair = { what: 'ip route flush', harm: () => a.ip('route', 'flush', 'proto', '80'), holds: routed, found: 'route/host/' };
  const strange: Repair = {
    what: "a foreign route in the place of a peer's",
    harm: () => a.ip('route', 'replace', destination, 'via', '172.16.130.1'),
    holds: routed,
    found: 'route/host/',
  };
  const flapped: Repair = {
    what: 'underlay down and up',
    async harm() {
      await a.ip('link', 'set', 'eth1', 'down');
      await sleep(300);
      await a.ip('link', 'set', 'eth1', 'up');
      // The way to the machine was no route of ours, and nobody but a person would know it.
      await a.ip('route', 'replace', 'default', 'via', '172.16.130.1');
    },
    holds: routed,
    ...(backend === 'host-gw' && { found: 'route/host/' }),
  };
  const rules: Repair = {
    what: 'packet filter emptied',
    harm: () => a.run('iptables', '-t', 'nat', '-F', 'POSTROUTING'),
    holds: async () => (await a.rules('nat')).some((line) => line.startsWith('-A POSTROUTING') && line.includes('PORTOLAN')),
    found: 'rule-entry/host/',
    within: soonEnough.timer,
  };
  if (backend === 'host-gw') return [flushed, strange, flapped];
  const device = walks[backend].device;
  const lost: Repair = {
    what: `${device} deleted`,
    harm: () => a.ip('link', 'delete', device),
    holds: async () => (await a.link(device))?.flags.includes('UP') === true && (await a.addresses(device)).length === 1 && (await routed()),
    found: backend === 'vxlan' ? 'flannel-vtep/host/' : 'udp-relay/host/',
  };
  if (backend === 'udp') return [flushed, strange, flapped, lost];
  const peers: Repair = {
    what: 'forwarding entries and neighbours removed',
    async harm() {
      const mac = await vtepMac(B.subnet);
      await a.run('bridge', 'fdb', 'del', mac, 'dev', 'flannel.1', 'dst', B.host, 'self');
      await a.ip('neigh', 'flush', 'dev', 'flannel.1', 'nud', 'permanent');
    },
    holds: async () => (await a.fdb('flannel.1')).length === 1 && (await a.neighbours('flannel.1')).length === 1,
    found: 'neighbour/host/',
  };
  const stale: Repair = {
    what: 'a stale forwarding entry',
    harm: () => a.run('bridge', 'fdb', 'append', 'aa:bb:cc:00:00:77', 'dev', 'flannel.1', 'dst', '172.16.130.77', 'self', 'permanent'),
    holds: async () => (await a.fdb('flannel.1')).length === 1,
    found: 'fdb/host/',
  };
  const altered: Repair = {
    what: 'flannel.1 altered',
    harm: () => a.ip('link', 'set', 'flannel.1', 'mtu', '1300', 'address', 'aa:bb:cc:00:00:78'),
    holds: async () => {
      const link = await a.link('flannel.1');
      return link?.mtu === 1450 && link.address === (await vtepMac(A.subnet)) && (await routed());
    },
    found: 'flannel-vtep/host/',
  };
  const bridge: Repair = {
    what: 'cni0 deleted',
    harm: () => a.ip('link', 'delete', 'cni0'),
    holds: async () => (await a.addresses('cni0')).includes('10.244.1.1/24') && (await ping(machine, A.netns, B.pod)).received === 1,
    found: 'bridge/host/',
  };
  return [flushed, strange, lost, altered, peers, stale, bridge, rules, flapped];
}

async function udpPeer(): Promise<{ stop(): Promise<UdpPeerFigures> }> {
  const logFile = join(directory, 'udp-peer.log');
  const program = fileURLToPath(new URL('../flannel/udp-peer.ts', import.meta.url));
  const peers = [A, B].map(({ subnet, host }) => `${subnet}=${host}`);
  const argv = [process.execPath, '--import', 'tsx', program, foreign.address, foreign.pod, A.pod, ...peers];
  const running = await machine.start(['nsenter', `--net=${foreign.netns}`, '--', ...argv], { logFile });
  await until('the peer listens', 20, async () => readFileSync(logFile, 'utf8').includes('listening'));
  return {
    async stop() {
      await running.kill('SIGTERM');
      await running.exited;
      return JSON.parse(readFileSync(logFile, 'utf8').trim().split('\n').at(-1) ?? '') as UdpPeerFigures;
    },
  };
}

describe('the relay of the udp backend', () => {
  it('goes on while its agent is killed and started again, and is the same process then', async () => {
    const relays = async (): Promise<string> => (await machine.run(['pgrep', '-f', 'udp-relay.*/run/portolan-lab/node-a'])).stdout;
    const before = await relays();
    expect(before).toMatch(/^\d+\n$/);
    const pings = await steadyPing(machine, A.netns, B.pod);
    await lab.killAgent('node-a', 'SIGKILL');
    await sleep(500);
    await lab.startAgent('node-a');
    await until('the agent is back', 30, async () => (await rowOf(A.subnet))?.kernel?.inSync === true);
    await sleep(500);
    const { sent, received } = await pings.stop();
    expect(sent - received).toBe(0);
    expect(await relays()).toBe(before);
  });
});

describe('a host behind a router', () => {
  let far: FarHost;
  let peer: FlanneldHost;

  it('is refused by host-gw with the way out, and keeps nobody else from his route', async () => {
    far = await farHost(machine, [a, b], '172.16.130.2', '192.168.88.13');
    peer = flanneldHost(machine, { ...hostOf('far', far.address), netns: far.netns }, '10.244.13.0/24', etcd);
    await flannel.switchTo({ type: 'host-gw' });
    await etcd.put(flanneldKey(peer.subnet), flanneldLease(far.address, 'host-gw'), await etcd.grant(LEASE_SECONDS));
    await until('it is seen', 10, async () => (await rowOf(peer.subnet)) !== undefined);
    await flannel.settled();
    expect(await tracesOf(a, '10.244.13.')).toEqual([]);
    expect((await ping(machine, A.netns, B.pod)).received).toBe(1);
    const about = (await flannel.findings()).filter(({ message }) => message.includes(far.address) || message.includes(peer.subnet));
    expect(about.some(({ fix }) => fix.includes('directRouting'))).toBe(true);
    await etcd.remove(flanneldKey(peer.subnet));
  });

  it('is reached by VXLAN where the others are routed to, with directRouting', async () => {
    await flannel.switchTo({ type: 'vxlan', directRouting: true });
    await peer.join('vxlan', 'aa:bb:cc:00:00:13');
    await soon('it is reached', async () => (await ping(machine, A.netns, peer.pod)).received === 1);
    const routes = (await a.routes()).filter((line) => /^10\.244\.(2|13)\./.test(line));
    expect(routes).toEqual([`10.244.2.0/24 via ${B.host} dev eth1 proto 80`, '10.244.13.0/24 via 10.244.13.0 dev flannel.1 proto 80 onlink']);
    expect(await a.fdb('flannel.1')).toEqual([`aa:bb:cc:00:00:13 dst ${far.address} self permanent`]);
    expect((await ping(machine, A.netns, B.pod)).ttls).toEqual([62]);
    await peer.leave();
    await far.remove();
  });
});

describe('a network that goes', () => {
  it('leaves nothing in etcd, in kernels and in files', async () => {
    for (const name of ['a.1', 'b.1']) await client.call(`/endpoints/${name}?force=true`, 'DELETE');
    await client.call('/flannel?wait=applied&timeout=60', 'DELETE');
    await until('the registry is empty', 20, async () => (await etcd.range('/coreos.com/network')).length === 0);
    for (const kernel of [a, b]) {
      await soon('the kernel is clean', async () => (await tracesOf(kernel, '10.244.')).length === 0);
      expect([await kernel.link('flannel.1'), await kernel.link('flannel0'), await kernel.link('cni0')]).toEqual([undefined, undefined, undefined]);
      for (const table of ['nat', 'filter'] as const) expect((await kernel.rules(table)).filter((line) => line.includes('10.244.'))).toEqual([]);
    }
    expect(() => readFileSync(join(lab.fileRootOf('node-a'), 'run/flannel/subnet.env'))).toThrow('ENOENT');
  });
});

describe('a lab with relays', () => {
  it('leaves none when it is down, although they outlive their agents', async () => {
    await client.call('/flannel?wait=applied&timeout=60', 'PUT', { network: '10.244.0.0/16', backend: { type: 'udp' } });
    const running = async (): Promise<string> => (await machine.run(['pgrep', '-f', 'udp-relay.*/run/portolan-lab/'])).stdout;
    expect((await running()).trim().split('\n')).toHaveLength(2);
    await lab.stop();
    await takeDown(directory);
    expect(await leftovers(directory)).toEqual([]);
    expect(await running()).toBe('');
  });
});
