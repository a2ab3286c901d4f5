import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Explanation, Outcome, PacketHeaders, Question, View } from '@portolan/explain';
import { type Lab, programs, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Capture, captureEverywhere, type Watched } from '../capture/everywhere.js';
import { observed, predicted } from '../capture/sightings.js';
import { flannelApi } from '../flannel/api.js';
import { labClient } from '../lab-client.js';
import { until } from '../until.js';

/**
 * Truth of `explain`: packets are sent while each namespace of each host is captured on all of its devices, and what was seen, in the order of
 * time, has to be what was predicted: namespace, device, direction, addresses, ports, TTL, and the packet around it with its VNI.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
let directory: string;
let lab: Lab;
let capture: Capture;
const client = labClient(() => lab);
const { call, explain, runAt } = client;

/** On one machine, whose clock tells what came before what. */
async function start(manifestPath: string): Promise<void> {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  lab = await startLab({ directory, manifestPath, machines: 1 });
  const [node = ''] = lab.hosts.keys();
  capture = await captureEverywhere(lab.machineOf(node), await namespaces());
}

async function stop(): Promise<void> {
  await capture?.stop();
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** Hosts, what agents have made on them, and containers. */
async function namespaces(): Promise<readonly Watched[]> {
  const found: Watched[] = [];
  for (const [node, { netns }] of lab.hosts) {
    found.push({ node, name: 'host', netns });
    const folder = `/run/portolan-lab/${node}/netns`;
    const { stdout } = await lab.machineOf(node).run(['ls', folder]);
    for (const name of stdout.split('\n').filter((own) => own !== '')) found.push({ node, name, netns: `${folder}/${name}` });
  }
  for (const { name, node, attachment } of lab.manifest.endpoints ?? []) {
    if ('netns' in attachment) found.push({ node, name, netns: attachment.netns });
  }
  return found;
}

/** One packet as the flow begins with, and what the answer needs. All of it is over before TCP sends again, after a second. */
function sender({ destination, destinationPort, transport, size }: PacketHeaders): string {
  if (transport === 'icmp') return `ping -n -c 1 -W 0.5 -M do -s ${size - IP_AND_ICMP} ${destination}`;
  if (transport === 'udp') return `exec 3<>/dev/udp/${destination}/${destinationPort} && echo asked >&3 && read -t 0.5 -u 3`;
  return `exec 3<>/dev/tcp/${destination}/${destinationPort}`;
}
const IP_AND_ICMP = 28;

/** Servers of the lab that agents talk with all the time. */
function serverPorts(): ReadonlySet<number> {
  return new Set([lab.apiUrl, lab.servers.redisUrl, ...lab.servers.etcdEndpoints].map((url) => Number(new URL(url).port)));
}

/** Sends as many packets to each address as there are paths, which are taken in turn; fails where what was seen is not what was predicted. */
async function proves(question: Question, outcome: Outcome, view: View = 'desired'): Promise<Explanation> {
  const explanation = await explain(question, view);
  const { paths, transport, from, verdict } = explanation;
  expect(verdict, verdict.reason).toMatchObject({ outcome });
  const flow = { transport, sourcePort: paths[0]?.forward[0]?.before.sourcePort ?? null, ports: udpPorts(), others: serverPorts() };
  const sent = paths.map(({ forward: [begin] }) => {
    if (begin === undefined) throw new Error(`a path without hops: ${verdict.reason}`);
    return (): Promise<unknown> => runAt(from, 'timeout', '0.8', 'bash', '-c', sender(begin.before));
  });
  // A bridge that has not heard of an address yet sends to all ports: once, so it is not in the prediction.
  for (const send of sent) await send();
  const seen: (readonly string[])[] = [];
  for (const send of sent) seen.push(observed(await capture.during(send), flow));
  if (outcome === 'delivered') for (const lines of seen) expect(lines.length).toBeGreaterThan(1);
  const text = (sequences: readonly (readonly string[])[]): readonly string[] => sequences.map((lines) => lines.join('\n')).toSorted();
  expect(text(seen)).toEqual(text(paths.map(predicted)));
  return explanation;
}

function udpPorts(): readonly number[] {
  const ports = (lab.manifest.services ?? []).flatMap((service) => service.ports ?? []);
  return ports.filter(({ protocol }) => protocol === 'udp').flatMap(({ published, target }) => [published ?? 0, target]);
}

type Case = readonly [what: string, question: Question, outcome: Outcome];

/** A client that is none of the hosts: this machine. */
const outside = 'outside:172.16.130.1';

describe('on overlays', () => {
  beforeAll(async () => {
    await start(programs.dataPlaneExample);
    // Probes would be seen as well.
    await call('/services/api?wait=applied', 'PATCH', { healthCheck: null });
  });
  afterAll(stop);

  it.each<Case>([
    ['a VIP, with a server on the host and one on another', { from: 'endpoint:search.1', to: 'shop:80' }, 'delivered'],
    ['a VIP, from a host without a server of it', { from: 'endpoint:toolbox', to: 'shop:80' }, 'delivered'],
    ['a VIP of direct server return', { from: 'endpoint:exporter.1', to: 'cache:8080' }, 'delivered'],
    ['a VIP of an overlay with two subnets', { from: 'endpoint:store.1', to: 'store:8080' }, 'delivered'],
    ['a name without a VIP', { from: 'endpoint:shop.1', to: 'search:8080' }, 'delivered'],
    ['a container of another host by its address', { from: 'endpoint:search.1', to: 'endpoint:search.2/icmp' }, 'delivered'],
    ['the way out of a container', { from: 'endpoint:toolbox', to: '172.16.130.1/icmp' }, 'delivered'],
    ['the mesh, through a host with a server', { from: outside, to: 'shop:8001', node: 'node1' }, 'delivered'],
    ['the mesh, through a host without one', { from: outside, to: 'shop:8001', node: 'node3' }, 'delivered'],
    ['the mesh, of UDP', { from: outside, to: 'clock:5300/udp', node: 'node1' }, 'delivered'],
    ['the mesh, from a host to another', { from: 'node:node2', to: 'node:node3:8001' }, 'delivered'],
    ['the mesh on 127.0.0.1, of a host with a server', { from: 'node:node1', to: '127.0.0.1:8001' }, 'delivered'],
    ['the mesh on 127.0.0.1, of a host without one', { from: 'node:node3', to: '127.0.0.1:8001' }, 'delivered'],
    ['a port for servers of the host alone, with the address of the client', { from: outside, to: 'shop:8002', node: 'node1' }, 'delivered'],
    ['the same where no server is', { from: outside, to: 'shop:8002', node: 'node3' }, 'no-backend'],
    ['a port of a host past the mesh', { from: outside, to: 'exporter:9100', node: 'node3' }, 'delivered'],
    ['a packet that does not fit and may not be fragmented', { from: 'endpoint:search.1', to: 'endpoint:search.2/icmp', size: 1500 }, 'too-big'],
    ['an address that nobody has', { from: 'endpoint:search.1', to: '10.2.0.200:80' }, 'unreachable'],
  ])('%s', async (_what, question, outcome) => {
    await proves(question, outcome);
  });

  it('an endpoint that is removed: no path leads there any more, and none to its address', async () => {
    const { addresses } = await call<{ addresses: readonly { network: string; address: string }[] }>('/endpoints/shop.2');
    const address = addresses.find(({ network }) => network === 'backend')?.address ?? '';
    await call('/endpoints/shop.2?wait=applied', 'DELETE');
    const { paths } = await proves({ from: 'endpoint:search.1', to: 'shop:80' }, 'delivered');
    expect(paths.map(({ backend }) => backend)).toEqual(['shop.1']);
    // It finishes what it has begun first.
    const former: Question = { from: 'endpoint:search.1', to: `${address}:80` };
    await until('nobody has its address', 30, async () => (await explain(former)).verdict.outcome === 'unreachable');
    await call(`/wait?revision=${(await call<{ intentRevision: number }>('/status')).intentRevision}&timeout=30`);
    await proves(former, 'unreachable');
  });

  describe('in kernels that nobody mends', () => {
    beforeAll(() => call('?wait=applied', 'PATCH', { settings: { driftPolicy: 'report' } }));
    afterAll(() => call('?wait=applied', 'PATCH', { settings: { driftPolicy: 'repair' } }));

    /** Until what has been done to a kernel is known to the control plane. */
    const seenAs = (question: Question, outcome: Outcome): Promise<number> =>
      until(`it is ${outcome}`, 30, async () => (await explain(question, 'observed')).verdict.outcome === outcome);

    it('a mark that is taken away', async () => {
      const question: Question = { from: outside, to: 'shop:8001', node: 'node3' };
      await client.inSpace('node3', 'ingress_sbox', 'xtables-legacy-multi', 'iptables', '-t', 'mangle', '-F');
      await seenAs(question, 'unreachable');
      const { verdict } = await proves(question, 'unreachable', 'observed');
      expect(verdict.object).toMatchObject({ node: 'node3', kind: 'mark' });
    });

    it('a rule of somebody else that drops it', async () => {
      const question: Question = { from: outside, to: 'exporter:9100', node: 'node3' };
      const rule = ['FORWARD', '-p', 'tcp', '--dport', '9100', '-j', 'DROP'];
      const iptables = (...words: string[]) =>
        lab.machineOf('node3').run(['nsenter', `--net=${lab.hosts.get('node3')?.netns}`, '--', 'xtables-legacy-multi', 'iptables', ...words]);
      await iptables('-I', ...rule);
      await seenAs(question, 'dropped');
      await proves(question, 'dropped', 'observed');
      await iptables('-D', ...rule);
    });
  });
});

describe('on the network of flannel', () => {
  beforeAll(() => start(programs.flannelExample));
  afterAll(stop);

  describe.each(['vxlan', 'host-gw', 'udp'] as const)('by %s', (type) => {
    beforeAll(() => flannelApi(client).switchTo({ type }));

    it.each<Case>([
      ['a container of another host', { from: 'endpoint:a.1', to: '10.244.2.194:8080' }, 'delivered'],
      ['a container of another host, by a ping', { from: 'endpoint:a.1', to: '10.244.2.194/icmp' }, 'delivered'],
      ['a container of the same host, from the host', { from: 'node:node-b', to: '10.244.2.194:8080' }, 'delivered'],
      ['a container of another host, from a host', { from: 'node:node-a', to: '10.244.2.194:8080' }, 'delivered'],
      ['the way out', { from: 'endpoint:a.1', to: '172.16.130.1/icmp' }, 'delivered'],
      ['the largest packet that fits', { from: 'endpoint:a.1', to: '10.244.2.194/icmp', size: { vxlan: 1450, 'host-gw': 1500, udp: 1472 }[type] }, 'delivered'],
      ['a packet that does not fit and may not be fragmented', { from: 'endpoint:a.1', to: '10.244.2.194/icmp', size: 1501 }, 'too-big'],
      ['an address of the other host that nobody has', { from: 'endpoint:a.1', to: '10.244.2.200/icmp' }, 'unreachable'],
    ])('%s', async (_what, question, outcome) => {
      await proves(question, outcome);
    });
  });
});
