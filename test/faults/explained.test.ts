import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Explanation, ObjectRef, Question } from '@portolan/explain';
import { type Lab, programs, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labClient } from '../lab-client.js';
import { netnsOf } from '../netns.js';
import { until } from '../until.js';
import { damagesWith } from './damages.js';

/**
 * Faults that people meet, made in real kernels by hand: `explain --observed` names the object, and whom it says to answer, and nobody else, does.
 * Agents only report meanwhile, and mend between two faults. Numbers are of threads on GitHub in which people met it: of moby/moby for the mesh, of
 * flannel-io/flannel on its network. The suite makes a third of them; all:
 *
 *     npm run faults          (PORTOLAN_FAULTS=long)
 */
const IS_LONG = process.env.PORTOLAN_FAULTS === 'long';
const root = fileURLToPath(new URL('../..', import.meta.url));
let directory: string;
let lab: Lab;
/** Variant of the tool that the agents use. */
let iptables: string;
const { call, explain, runAt } = labClient(() => lab);

interface Fault {
  readonly what: string;
  readonly node: string;
  /** Namespace of the agent on the node, `host`, or the name of an endpoint. */
  readonly space: string;
  /** For a shell; `IPTABLES` stands for the agents' variant of it. */
  readonly run: string;
  /** Of what agents do not mend, for it is not theirs. */
  readonly undo?: string;
  /** Forgets what kernels have learnt of it meanwhile, once all is mended. */
  readonly afterwards?: string;
  readonly question: Question;
  /** Key of the object that has to be named. */
  readonly named: string | RegExp;
}

async function start(manifestPath: string): Promise<void> {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  // Of sysctls and of namespaces of containers no event tells: agents look at them from time to time.
  lab = await startLab({ directory, manifestPath, resync: 4 });
  const { nodes } = await call<{ nodes: readonly { facts: Readonly<Record<string, string>> }[] }>('/status');
  iptables = (nodes[0]?.facts['iptables-restore'] ?? '').replace('-restore', '');
}

async function stop(): Promise<void> {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
}

const observed = (question: Question): Promise<Explanation> => explain(question, 'observed');

const part = (faults: readonly Fault[]): readonly Fault[] => faults.filter((_, i) => IS_LONG || i % 3 === 0);

const policy = (driftPolicy: 'report' | 'repair'): Promise<unknown> => call('?wait=applied', 'PATCH', { settings: { driftPolicy } });

async function inSpace({ what, node, space }: Fault, run: string): Promise<void> {
  const argv = ['nsenter', `--net=${netnsOf(lab, node, space)}`, '--', 'sh', '-c', run.replaceAll('IPTABLES', iptables)] as const;
  const { exitCode, stderr } = await lab.machineOf(node).run(argv);
  if (exitCode !== 0) throw new Error(`${what}: ${stderr}`);
}

/** What the explanation names first. */
function namedBy({ verdict, divergences }: Explanation): ObjectRef | null {
  return verdict.outcome === 'delivered' ? (divergences[0]?.object ?? null) : verdict.object;
}

/** What a path leads to: who answers on it, or `nobody`. A ping does not tell who. */
function promised({ paths, transport }: Explanation): readonly string[] {
  return paths.map(({ verdict, backend }) => (verdict.outcome !== 'delivered' ? nobody : transport === 'icmp' ? pong : (backend ?? ''))).sort();
}
const nobody = 'nobody';
const pong = 'pong';

/** Who really answers, of as many connections as there are paths, all at once: real servers are taken in turn. */
async function answered({ paths, from, transport }: Explanation): Promise<readonly string[]> {
  const asked = paths.map(async ({ forward: [begin] }) => {
    if (begin === undefined) throw new Error('a path without hops');
    const { destination, destinationPort, size } = begin.before;
    const http = `exec 3<>/dev/tcp/${destination}/${destinationPort} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
    const ping = `ping -n -c 1 -W 1 -M do -s ${size - IP_AND_ICMP} ${destination}`;
    const { exitCode, stdout } = await runAt(from, 'timeout', '2', 'bash', '-c', transport === 'icmp' ? ping : http);
    if (exitCode !== 0) return nobody;
    return transport === 'icmp' ? pong : (/"endpoint":"([^"]+)"/.exec(stdout)?.[1] ?? stdout);
  });
  return (await Promise.all(asked)).sort();
}
const IP_AND_ICMP = 28;

async function untilWhole(question: Question): Promise<Explanation> {
  let explanation = await observed(question);
  await until('all is as it should be', 20, async () => {
    explanation = await observed(question);
    return explanation.verdict.outcome === 'delivered' && explanation.divergences.length === 0;
  });
  return explanation;
}

async function isFound(fault: Fault): Promise<void> {
  // Without this, what fails for another reason would pass for the fault's doing.
  const whole = await untilWhole(fault.question);
  expect(await answered(whole), 'who answers before').toEqual(promised(whole));
  try {
    await inSpace(fault, fault.run);
    await isNamed(fault);
  } finally {
    if (fault.undo !== undefined) await inSpace(fault, fault.undo);
    await policy('repair');
    await untilWhole(fault.question);
    if (fault.afterwards !== undefined) await inSpace(fault, fault.afterwards);
    await policy('report');
    // What happens within 0.3 s of an agent's own work, it takes for that work until its timer looks again.
    await sleep(OWN_WORK);
  }
}
const OWN_WORK = 400;

async function isNamed({ what, node, named, question }: Fault): Promise<void> {
  let explanation = await observed(question);
  const isIt = ({ key = '', node: on }: { key?: string; node?: string }): boolean =>
    on === node && (typeof named === 'string' ? key === named : named.test(key));
  const took = await until(`${named} of ${node} is named`, 10, async () => {
    explanation = await observed(question);
    return isIt(namedBy(explanation) ?? {});
  }).catch((error: Error) => {
    throw new Error(`${error.message}; named is ${namedBy(explanation)?.key}: ${explanation.verdict.reason}`);
  });
  const answers = await answered(explanation);
  expect(answers, 'who answers').toEqual(promised(explanation));
  const lost = answers.filter((who) => who === nobody).length;
  console.log(`${what}: ${node} ${namedBy(explanation)?.key} named after ${Math.round(took)} ms; ${lost} of ${answers.length} connections fail`);
}

const inside: Question = { from: 'endpoint:bjdt_bjdt-dzwl-web.1', to: 'bjdt_bjdt-dzwl:8080' };
const mesh: Question = { from: 'outside:172.16.130.1', to: 'bjdt_bjdt-dzwl-web:8000', node: 'node3' };
/** What is done in `everything.test.ts`, too. */
function damage(name: string): Pick<Fault, 'what' | 'run'> {
  const found = damagesWith('IPTABLES').find((own) => own.name === name);
  if (found === undefined) throw new Error(`there is no damage ${name}`);
  return { what: name, run: found.run };
}

const balancer = { node: 'node1', space: 'lb_5mckih8b5', question: inside } as const;
const overlay = { node: 'node1', space: '1-5mckih8b5z', question: inside } as const;
/** The load balancer asks for addresses of real servers again: it keeps answers for a while. */
const forget = 'nsenter --net=/run/portolan-lab/node1/netns/lb_5mckih8b5 ip neigh flush dev eth0';
const host = { node: 'node3', space: 'host', question: mesh } as const;
const sandbox = { node: 'node3', space: 'ingress_sbox', question: mesh } as const;

describe('in the mesh and its load balancers', () => {
  beforeAll(async () => {
    await start(programs.example);
    await policy('report');
  });
  afterAll(stop);

  it.each(
    part([
      // A firewall that loads its rules anew takes those of others with it: 48657, 34939, 15254.
      { ...damage('iptables -F, marks'), ...balancer, named: 'mark/own:lb_5mckih8b5/input/10.0.0.20' },
      { ...damage('ipvsadm -C'), ...balancer, named: 'virtual-server/own:lb_5mckih8b5/329' },
      { what: 'VIP removed', ...balancer, run: 'ip address del 10.0.0.20/32 dev eth0', named: 'address/own:lb_5mckih8b5/eth0/10.0.0.20' },
      { what: 'source rewrite flushed', ...balancer, run: 'IPTABLES -t nat -F', named: 'source-rewrite/own:lb_5mckih8b5/10.0.0.0/24' },
      // Containers that are gone stay among the real servers of some hosts, and ones that run are missing: 33790, 33952, 41668.
      { what: 'real server that is gone', ...balancer, run: 'ipvsadm -a -f 329 -r 10.0.0.99 -m', named: 'real-server/own:lb_5mckih8b5/329/10.0.0.99' },
      { what: 'real server removed', ...balancer, run: 'ipvsadm -d -f 329 -r 10.0.0.7', named: 'real-server/own:lb_5mckih8b5/329/10.0.0.7' },
      // What drains keeps its entry, and nobody may be left to take connections: 41775.
      { what: 'real server of weight 0', ...balancer, run: 'ipvsadm -e -f 329 -r 10.0.0.7 -m -w 0', named: 'real-server/own:lb_5mckih8b5/329/10.0.0.7' },
      // Gossip that does not converge leaves peers out, and permanent neighbours that nobody corrects: 47728, 50129, 50232, 52661.
      { what: 'neighbour removed', ...overlay, run: `ip neigh del 10.0.0.7 dev vxlan0; ${forget}`, named: 'neighbour/own:1-5mckih8b5z/vxlan0/10.0.0.7' },
      {
        what: 'neighbour with another MAC',
        ...overlay,
        run: `ip neigh replace 10.0.0.7 lladdr 02:42:0a:00:00:63 dev vxlan0 nud permanent; ${forget}`,
        named: 'neighbour/own:1-5mckih8b5z/vxlan0/10.0.0.7',
        afterwards: forget,
      },
      {
        what: 'forwarding entry removed',
        ...overlay,
        run: 'bridge fdb del 02:42:0a:00:00:07 dev vxlan0',
        named: 'fdb/own:1-5mckih8b5z/vxlan0/02:42:0a:00:00:07',
      },
      {
        what: 'forwarding entry to another host',
        ...overlay,
        run: 'bridge fdb replace 02:42:0a:00:00:07 dev vxlan0 dst 172.16.130.170 self permanent',
        named: 'fdb/own:1-5mckih8b5z/vxlan0/02:42:0a:00:00:07',
      },
      // Devices of a start that was not clean are deleted by hand: 28559, 22424.
      { ...damage('device deleted'), ...overlay, named: 'vxlan/own:1-5mckih8b5z/vxlan0' },
      { what: 'VXLAN device down, on the other host', ...overlay, node: 'node2', run: 'ip link set vxlan0 down', named: 'vxlan/own:1-5mckih8b5z/vxlan0' },
      { ...damage('bridge down'), ...overlay, named: 'bridge/own:1-5mckih8b5z/br0' },
      { what: 'port out of the bridge', ...overlay, node: 'node2', run: 'ip link set veth0a000007 nomaster', named: 'veth/own:1-5mckih8b5z/veth0a000007' },
      // The port works on hosts with a container only, or on none: 40590, 29417, 33287.
      { ...damage('iptables -F, host'), ...host, named: 'port-forward/host/tcp/8000' },
      {
        what: 'DROP of a firewall',
        ...host,
        run: 'IPTABLES -I FORWARD -p tcp --dport 8000 -j DROP',
        undo: 'IPTABLES -D FORWARD -p tcp --dport 8000 -j DROP',
        named: 'obstructed/host/filter/FORWARD',
      },
      { what: 'forwarding off', ...host, run: 'sysctl -q -w net.ipv4.ip_forward=0', named: 'sysctl/host/net.ipv4.ip_forward' },
      { what: 'link of the sandbox down', ...host, run: 'ip link set ptl_ingress down', named: 'veth/host/ptl_ingress' },
      { what: 'mark of a published port', ...sandbox, run: 'IPTABLES -t mangle -F', named: 'mark/own:ingress_sbox/prerouting/tcp/8000' },
      { what: 'way back of the sandbox', ...sandbox, run: 'ip route del default', named: 'route/own:ingress_sbox/default' },
    ]),
  )('$what', isFound);
});

describe('on the network of flannel', () => {
  beforeAll(async () => {
    await start(programs.flannelExample);
    await policy('report');
  });
  afterAll(stop);

  const question: Question = { from: 'endpoint:a.1', to: '10.244.2.194:8080' };
  const here = { node: 'node-a', space: 'host', question } as const;
  it.each(
    part([
      // Routes go with a link that goes down and comes back: 1070, 1434, 1759.
      { what: 'route to the subnet removed', ...here, run: 'ip route del 10.244.2.0/24', named: 'route/host/10.244.2.0/24' },
      // Deleted, and not made again, or made with another address: 869, 877, 1155, 2247.
      { what: 'VTEP deleted', ...here, run: 'ip link delete flannel.1', named: 'flannel-vtep/host/flannel.1' },
      { what: 'neighbour removed', ...here, run: 'ip neigh del 10.244.2.0 dev flannel.1', named: 'neighbour/host/flannel.1/10.244.2.0' },
      {
        what: 'forwarding entries flushed',
        ...here,
        run: 'bridge fdb show dev flannel.1 | awk \'/ dst / { print "fdb del " $1 " dev flannel.1" }\' | bridge -batch -',
        named: /^fdb\/host\/flannel\.1\//,
      },
      { what: 'bridge of containers down', ...here, node: 'node-b', run: 'ip link set cni0 down', named: 'bridge/host/cni0' },
      { what: 'forwarding off', ...here, node: 'node-b', run: 'sysctl -q -w net.ipv4.ip_forward=0', named: 'sysctl/host/net.ipv4.ip_forward' },
      {
        what: 'DROP of a firewall',
        ...here,
        run: 'IPTABLES -I FORWARD -s 10.244.0.0/16 -j DROP',
        undo: 'IPTABLES -D FORWARD -s 10.244.0.0/16 -j DROP',
        named: 'obstructed/host/filter/FORWARD',
      },
      // The MTU is not what the path carries: small requests work, large ones hang: 1011, 463, 1775; moby's 24906, 36689.
      {
        what: 'MTU too small',
        ...here,
        question: { from: 'endpoint:a.1', to: '10.244.2.194/icmp', size: 1400 },
        run: 'ip link set flannel.1 mtu 1300',
        named: 'flannel-vtep/host/flannel.1',
      },
      // Rules that are not healed, and a fight with others over them: 1337, 797, 2145.
      {
        what: 'masquerading flushed',
        ...here,
        question: { from: 'endpoint:a.1', to: '172.16.130.1/icmp' },
        run: 'IPTABLES -t nat -F',
        named: /^pod-masquerade\/host\//,
      },
      {
        what: 'no way out of the container',
        ...here,
        space: 'a.1',
        question: { from: 'endpoint:a.1', to: '172.16.130.1/icmp' },
        run: 'ip route del default',
        named: /^route\/endpoint:[^/]+\/default/,
      },
      {
        what: 'no way out of the container, seen by what stays inside',
        ...here,
        space: 'a.1',
        run: 'ip route del default',
        named: /^route\/endpoint:[^/]+\/default/,
      },
    ]),
  )('$what', isFound);
});
