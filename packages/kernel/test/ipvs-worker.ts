/** Runs on a machine with IPVS. Prints one line of JSON: what was seen, for a test to judge. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PortolanError, type Snapshot } from '@portolan/model';
import { emptyNodeState, type NodeState, type ObservedState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { largeSnapshot } from '@portolan/testkit';
import { inNamespace, type Kernel, openLinuxKernel } from '../src/index.js';
import { ipvsTable, serverCounters } from '../src/ipvs-read.js';
import { writeIpvs } from '../src/ipvs-write.js';
import { answerDatagrams, datagramClient } from './datagram-peers.js';
import { observed, reach, toldSteps } from './reach.js';
import { dataPlaneState, stateOf, variantState } from './states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

/** Who answered the datagrams of one client port, before and after the endpoint that it had was removed. */
interface Answers {
  readonly before: readonly string[];
  readonly removed: string;
  readonly after: readonly string[];
}

export interface IpvsFacts {
  readonly probed: Readonly<Record<string, string>>;
  /** For each state that was reached in turn: keys that are not as wanted, and the steps of a second apply. */
  readonly reached: readonly { readonly name: string; readonly wrong: readonly string[]; readonly again: readonly string[] }[];
  /** What is observed after everything was removed. */
  readonly left: readonly string[];
  /** Virtual servers of others, on the host and in a namespace beside ours: before all that, after each state, and when everything was removed. */
  readonly others: readonly string[];
  /** What a weight that changes takes. */
  readonly weight: { readonly applied: readonly string[]; readonly processes: number; readonly wrong: readonly string[] };
  /** Lines that IPVS was given by `ipvsadm`, and those that are read of it. */
  readonly ipvs: { readonly given: string; readonly read: string; readonly refused: readonly string[] };
  /** What was counted of a VIP's real servers after datagrams, by us and by `ipvsadm`: mark, address, connections, packets and bytes in and out, active, inactive. */
  readonly counted: { readonly ours: readonly string[]; readonly theirs: readonly string[]; readonly elsewhere: string };
  readonly datagrams: Answers;
  /** The same, where neither the flows to what was removed are forgotten nor IPVS's own connections. */
  readonly datagramsThatStay: Answers;
}

/** Of every kind, ours and others. */
const SERVICES = `-A -f 1 -s sh -b sh-fallback,sh-port
-a -f 1 -r 10.0.0.2:0 -m -w 0
-a -f 1 -r 10.0.0.3:0 -g -w 65535 -x 9 -y 7
-A -f 4294967295 -s mh -p 300 -M 255.255.255.0 -b mh-port
-a -f 4294967295 -r 10.0.0.4:0 -i -w 1
-A -t 192.0.2.1:80 -s wrr -p 60
-A -u 192.0.2.1:53 -s rr -o
-a -u 192.0.2.1:53 -r 10.0.0.5:5353 -m -w 3
`;

function wrongIn(state: NodeState, { objects }: ObservedState): string[] {
  const there = new Map(objects.map(({ key, hash }) => [key, hash]));
  const wrong = state.objects.filter(({ key, hash }) => there.get(key) !== hash).map(({ key }) => key);
  const wanted = new Set(state.objects.map(({ key }) => key));
  return [...wrong, ...objects.filter(({ key }) => !wanted.has(key)).map(({ key }) => `unwanted ${key}`)];
}

async function onHost<T>(work: (host: ThrowawayHost, kernel: Kernel) => Promise<T>): Promise<T> {
  const host = makeThrowawayHost();
  try {
    return await work(host, openLinuxKernel(host));
  } finally {
    host.dispose();
  }
}

function kindsOfObjects(): Promise<Pick<IpvsFacts, 'probed' | 'reached' | 'left' | 'others'>> {
  return onHost(async (host, kernel) => {
    const probed = await kernel.probe({ balances: true });
    const elsewhere = [host.host, host.container('of-others')];
    for (const namespace of elsewhere) await host.exec.run(['ipvsadm', '-R'], { input: SERVICES, namespace });
    const tables = (): string => elsewhere.map((namespace) => inNamespace(namespace, ipvsTable).text).join('');
    const others = [tables()];
    const reached: IpvsFacts['reached'][number][] = [];
    const states: readonly (readonly [name: string, state: NodeState])[] = [
      ['one variant', variantState(host, 'one')],
      ['the other', variantState(host, 'other')],
      ['one of everything', dataPlaneState(host)],
    ];
    let endpoints: NodeState['endpoints'] = {};
    for (const [name, state] of states) {
      endpoints = { ...endpoints, ...state.endpoints };
      await reach(kernel, state, { endpoints, known: true });
      const whole = await observed(kernel, state, endpoints);
      reached.push({ name, wrong: wrongIn(state, whole), again: toldSteps(diffNodeState(whole, state).steps) });
      others.push(tables());
    }
    const nothing = emptyNodeState(endpoints);
    await reach(kernel, nothing, { known: true });
    others.push(tables());
    return { probed, reached, left: (await observed(kernel, nothing)).objects.map(({ key }) => key), others };
  });
}

/** One node with a service of two endpoints, and a client beside it. */
const snapshot = largeSnapshot({ nodes: 1, networks: 1, services: 2, endpointsPerService: 2, publishedServices: 0 });
const CLIENT = 'service2.1';
const SERVERS = ['service1.1', 'service1.2'];
const PORT = 5140;
const VIP = [...snapshot.services.values()][0]?.networks[0]?.address ?? '';

function withWeight(name: string, weight: number): Snapshot {
  return { ...snapshot, endpoints: new Map([...snapshot.endpoints].map(([id, own]) => [id, own.name === name ? { ...own, weight } : own])) };
}

function without(name: string): Snapshot {
  return { ...snapshot, endpoints: new Map([...snapshot.endpoints].filter(([, own]) => own.name !== name)) };
}

/** Each begins and ends with the whole snapshot in the kernel. */
function changes(): Promise<Pick<IpvsFacts, 'weight' | 'counted' | 'datagrams' | 'datagramsThatStay'>> {
  return onHost(async (host, kernel) => {
    const whole = stateOf(host, snapshot, 'node1');
    await reach(kernel, whole);

    async function changedWeight(): Promise<IpvsFacts['weight']> {
      const state = stateOf(host, withWeight('service1.1', 7), 'node1');
      const before = host.exec.started;
      const { applied, after } = await reach(kernel, state, { known: true });
      const processes = host.exec.started - before;
      await reach(kernel, whole, { known: true });
      return { applied: applied.map(({ batch }) => `${batch.tool} ${batch.text.trim()}`), processes, wrong: wrongIn(state, after) };
    }

    async function removedServer(through: Kernel, clientPort: number): Promise<Answers> {
      const sockets = SERVERS.map((name) => answerDatagrams(host.container(name), PORT, name));
      const client = datagramClient(host.container(CLIENT), clientPort);
      try {
        const before = await client.ask(VIP, PORT, 3);
        const removed = before.at(-1) ?? '';
        await reach(through, stateOf(host, without(removed), 'node1'), { endpoints: whole.endpoints, known: true });
        const after = await client.ask(VIP, PORT, 4);
        await reach(kernel, whole, { known: true });
        return { before, removed, after };
      } finally {
        for (const socket of [...sockets, client]) socket.close();
      }
    }

    async function counted(): Promise<IpvsFacts['counted']> {
      const sockets = SERVERS.map((name) => answerDatagrams(host.container(name), PORT, name));
      const clients = [40_100, 40_101, 40_102, 40_103].map((port) => datagramClient(host.container(CLIENT), port));
      try {
        for (const client of clients) await client.ask(VIP, PORT, 2);
        const folder = join(host.runDirectory, 'netns');
        const [balancer = ''] = readdirSync(folder).filter((own) => own.startsWith('lb_'));
        const namespace = join(folder, balancer);
        // IPVS sums up its counters every other second.
        for (let i = 0; i < 100 && serverCounters(namespace).reduce((sum, { inPackets }) => sum + inPackets, 0) < 8; i++) await sleep(100);
        const ours = serverCounters(namespace).map((one) =>
          [one.mark, one.address, one.connections, one.inPackets, one.outPackets, one.inBytes, one.outBytes, one.active, one.inactive].join(' '),
        );
        const print = async (...options: string[]) => (await host.exec.run(['ipvsadm', '-L', '-n', ...options], { namespace })).stdout;
        return {
          ours,
          theirs: printedCounters(await print('--stats', '--exact'), await print()),
          elsewhere: failureOf(() => serverCounters(`${namespace}-gone`)),
        };
      } finally {
        for (const socket of [...sockets, ...clients]) socket.close();
      }
    }

    const weight = await changedWeight();
    const counts = await counted();
    const datagrams = await removedServer(kernel, 40_000);
    const forgetful: Kernel = { ...kernel, apply: (batches) => kernel.apply(batches.filter(({ tool }) => tool !== 'conntrack')) };
    for (const name of readdirSync(join(host.runDirectory, 'netns')).filter((own) => own.startsWith('lb_'))) {
      inNamespace(join(host.runDirectory, 'netns', name), () => writeFileSync('/proc/sys/net/ipv4/vs/expire_nodest_conn', '0'));
    }
    return { weight, counted: counts, datagrams, datagramsThatStay: await removedServer(forgetful, 40_001) };
  });
}

function failureOf(work: () => unknown): string {
  try {
    work();
    return '';
  } catch (error) {
    return error instanceof PortolanError ? error.code : String(error);
  }
}

/** What `ipvsadm` prints of real servers: `-> 10.0.0.2:0 4 8 8 232 276` after the line of their service, which begins with FWM and its mark. */
function printedCounters(stats: string, connections: string): string[] {
  let mark = '';
  const rows = (text: string): string[][] =>
    text.split('\n').flatMap((line) => {
      const words = line.trim().split(/\s+/);
      if (words[0] === 'FWM') mark = words[1] ?? '';
      return words[0] === '->' && /^\d/.test(words[1] ?? '') ? [[mark, ...words.slice(1)]] : [];
    });
  const now = rows(connections);
  return rows(stats).map(([of, server, ...counts], i) => [of, server?.replace(/:0$/, ''), ...counts, ...(now[i]?.slice(-2) ?? [])].join(' '));
}

function ipvsOfEveryKind(): Promise<IpvsFacts['ipvs']> {
  return onHost(async ({ host, exec }) => {
    const empty = inNamespace(host, ipvsTable).text;
    const { stderr } = await exec.run(['ipvsadm', '-R'], { input: SERVICES, namespace: host });
    const read = `${stderr}${empty}${inNamespace(host, ipvsTable).text}`;
    const refused: string[] = [];
    for (const line of ['-a -f 7 -r 10.0.0.2:0 -m -w 1', '-A -f 1 -s rr', '-A -f 8 -s nosuch', '-d -f 1 -r 10.0.0.9:0', '-A -t 192.0.2.1:80 -s rr']) {
      refused.push((await writeIpvs(host, `--set 0 0 60\n${line}\n-A -f 9 -s rr\n`)).trim());
    }
    return { given: SERVICES, read, refused: [...refused, ...(inNamespace(host, ipvsTable).text.includes('-f 9') ? ['went on'] : [])] };
  });
}

const facts: IpvsFacts = { ...(await kindsOfObjects()), ipvs: await ipvsOfEveryKind(), ...(await changes()) };
console.log(JSON.stringify(facts));
