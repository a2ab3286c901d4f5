import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Argv,
  commonSubnet,
  hostOf,
  type LabHost,
  type LabMachine,
  type MachineProcess,
  makeHosts,
  openLabMachines,
  type RunningServers,
  startProcess,
  startServers,
} from '@portolan/harness';
import { type Manifest, PortolanError, portolanError } from '@portolan/model';
import { callApi } from './api.js';
import { type ControlPlane, startControlPlane } from './control-plane.js';
import { labLink, namespacesHere, removeFiles, removeNetwork, takeDown } from './down.js';
import { type Forwarder, forward, urlAt } from './forward.js';
import { LabProcesses, namespaceName } from './hosts.js';
import { logTail } from './log-tail.js';
import { balances, listeningPorts, readManifest, withHosts } from './manifest.js';
import type { LoadAnswers } from './programs/load.js';
import { programs } from './programs/paths.js';
import { type Answers, requestTimes } from './programs/requests.js';
import { fileRootOf, findRecord, hostsIn, isAlive, LabJournal, readRecord, recordedProcess } from './record.js';

export interface LabOptions {
  /** Absolute path: data, logs and the record of the lab. */
  readonly directory: string;
  /** The example of the repository when left out. */
  readonly manifestPath?: string;
  /** As many as the manifest has nodes when left out; further ones join without endpoints. */
  readonly hosts?: number;
  /** When left out: this machine where its kernel has IPVS or the manifest balances nothing, else guests. */
  readonly kind?: LabMachine['kind'];
  /** Guests at most; as many as there are processors when left out. On one machine all hosts have one clock. */
  readonly machines?: number;
  /** Seconds between two looks of an agent at its kernel that nothing called for, 1 to 86400; the agents' own unless given. */
  readonly resync?: number;
  /** Servers that exist already. Their cluster of the lab's name is kept, and made what the manifest says. */
  readonly use?: { readonly databaseUrl?: string; readonly redisUrl?: string; readonly etcdEndpoints?: readonly string[] };
  /** Told of each stage when it is done. */
  readonly log?: (line: string, milliseconds?: number) => void;
  /** Ends the start, and takes down what was made so far. */
  readonly signal?: AbortSignal;
}

export interface Lab {
  /** On loopback of this machine. */
  readonly apiUrl: string;
  readonly cluster: string;
  readonly manifestPath: string;
  readonly manifest: Manifest;
  readonly kind: LabMachine['kind'];
  /** The machine that a host is made on: natively the same for all, else one of the guests. */
  machineOf(node: string): LabMachine;
  /** Resolves when a machine is gone without `stop`, with the reason. */
  readonly lost: Promise<string>;
  readonly hosts: ReadonlyMap<string, LabHost>;
  /** Folder that stands for / of a host, as far as its agent writes files. */
  fileRootOf(node: string): string;
  readonly servers: RunningServers;
  /** Its process, for who wants to see what happens without it. */
  readonly controlPlane: Pick<ControlPlane, 'pid' | 'kill' | 'restart'>;
  /** From sending the manifest to the answer that every node has applied it, in milliseconds. */
  readonly appliedWithin: number;
  /** Requests a URL from `machine`, from the host of a node, or from the container of an endpoint, one connection each. */
  request(from: string, url: string, count: number): Promise<Answers>;
  /** Requests a URL at a steady rate from `machine`, from the host of a node or the container of an endpoint until it is stopped. */
  load(from: string, url: string, perSecond: number): Promise<{ stop(): Promise<LoadAnswers> }>;
  /** A container at /run/netns/NAME, for an endpoint of that name, with ports such as `8080/tcp`; resolves with the path when it listens. */
  addContainer(endpoint: string, node: string, ...ports: string[]): Promise<string>;
  removeContainer(endpoint: string): Promise<void>;
  /** Ends the program of a container and leaves its namespace, as a process does that crashes. */
  stopContainer(endpoint: string, signal: NodeJS.Signals): Promise<void>;
  startAgent(node: string): Promise<void>;
  killAgent(node: string, signal: NodeJS.Signals): Promise<void>;
  /** Ends everything and leaves nothing but data and logs in the directory. */
  stop(): Promise<void>;
}

const labCluster = 'bjdt';
const agentsWithin = 60_000;
const appliedWithinSeconds = 60;

interface Status {
  readonly nodes: readonly { readonly name: string; readonly alive: boolean | null; readonly computedRevision: number; readonly appliedRevision: number }[];
}

/** Fails with `in-use` when a lab runs on this machine; removes what a dead one left. */
async function makeRoom(directory: string, log: NonNullable<LabOptions['log']>): Promise<void> {
  const record = findRecord(directory);
  if (record !== undefined && isAlive(record.owner)) {
    throw portolanError(
      'in-use',
      '',
      `a lab runs already: process ${record.owner.pid}, with its data in ${record.directory}${record.apiUrl === undefined ? '' : `, API ${record.apiUrl}`}`,
      {
        fix: 'Stop it with Ctrl-C where it runs, or with: npm run lab -- --down',
      },
    );
  }
  const start = performance.now();
  const removed = await takeDown(directory);
  if (removed.length > 0) log(`removed what an earlier lab left: ${removed.join(', ')}`, performance.now() - start);
}

/** Starts everything: servers, control plane, hosts, agents, containers; applies the manifest and waits until every node has applied it. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const directory = resolve(options.directory);
  const logs = join(directory, 'logs');
  const log = options.log ?? (() => {});
  const manifestPath = options.manifestPath ?? programs.example;
  const manifest = withHosts(readManifest(manifestPath), options.hosts);
  const nodes = manifest.nodes ?? [];
  const subnet = commonSubnet(nodes.map(({ address }) => address));
  const hosts = new Map(nodes.map(({ name, address }) => [name, hostOf(name, address)]));
  const containers = (manifest.endpoints ?? []).flatMap(({ name, node, service, attachment }) =>
    'netns' in attachment ? [{ name, node, netns: attachment.netns, ports: listeningPorts(manifest, service) }] : [],
  );

  await makeRoom(directory, log);
  for (const folder of [logs, hostsIn(directory)]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  const journal = new LabJournal({
    owner: recordedProcess('npm run lab', process.pid),
    directory,
    link: labLink,
    cluster: labCluster,
    namespaces: [],
    processes: [],
  });

  let machines: readonly LabMachine[] = [];
  let processes: LabProcesses | undefined;
  let servers: RunningServers | undefined;
  let controlPlane: ControlPlane | undefined;
  let forwarder: Forwarder | undefined;
  let stopped: Promise<void> | undefined;
  /** Programs on this machine itself; those in a guest go with it. */
  const here: MachineProcess[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.all(here.map((program) => program.kill('SIGKILL')));
    await processes?.stopAgents().catch(() => {});
    await Promise.all(machines.map((machine) => machine.stop()));
    await forwarder?.stop();
    await controlPlane?.stop();
    await servers?.stop();
    await removeNetwork(readRecord(directory));
    removeFiles(directory);
  };
  const stop = (): Promise<void> => {
    stopped ??= stopAll();
    return stopped;
  };

  async function stage<T>(what: string, work: () => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted();
    const start = performance.now();
    const result = await work();
    log(what, performance.now() - start);
    return result;
  }

  try {
    const serving = (async () => {
      servers = await stage('PostgreSQL, Redis and etcd answer', () =>
        startServers({ directory: join(directory, 'servers'), ...(options.use && { use: options.use }) }),
      );
      const running = servers;
      controlPlane = await stage('the control plane is ready', () => startControlPlane(running, logs, (pid) => journal.addProcess('control plane', pid)));
      return { servers: running, controlPlane };
    })();
    const booting = stage('the machine for the hosts is up', async () => {
      machines = await openLabMachines(
        { directory, link: labLink, subnet, balances: balances(manifest), ...(options.kind && { kind: options.kind }) },
        Math.min(hosts.size, options.machines ?? hosts.size),
      );
      for (const { guestPid } of machines) if (guestPid !== undefined) journal.addProcess('User-Mode Linux', guestPid);
    });
    // Both must have settled before anything is stopped again: what starts late would be left.
    await Promise.allSettled([serving, booting]);
    const up = await serving;
    await booting;
    const { machineOf, first } = placed(machines, [...hosts.keys()]);
    journal.set({ kind: first.kind });
    const apiUrl = up.controlPlane.url;
    const clusterUrl = `${apiUrl}/v1/clusters/${labCluster}`;
    const { gateway } = first.underlay;
    const { redisUrl, etcdEndpoints } = up.servers;
    forwarder = await forward(gateway, [apiUrl, redisUrl, ...etcdEndpoints]);
    const agentSettings = {
      cluster: labCluster,
      apiUrl: urlAt(apiUrl, gateway),
      redisUrl: urlAt(redisUrl, gateway),
      etcdEndpoints: etcdEndpoints.map((endpoint) => urlAt(endpoint, gateway)),
      resync: options.resync,
    };
    const own = new LabProcesses(machineOf, directory, logs, (name, pid) => journal.addProcess(name, pid));
    processes = own;

    const addContainer = async (name: string, node: string, ports: readonly string[], netns: string): Promise<void> => {
      if (first.kind === 'native') {
        if ((await namespacesHere()).includes(namespaceName(netns))) {
          throw portolanError('in-use', '/endpoints', `this machine has a namespace ${netns} already, and it is not the lab's`, {
            fix: 'Remove it, or name another path in the manifest.',
          });
        }
        journal.addNamespaces([namespaceName(netns)]);
      }
      await own.addContainer(name, node, ports, netns);
    };

    await stage('the manifest is valid', async () => {
      // Private servers start with a fresh cluster; one of somebody else's database is kept.
      if (options.use?.databaseUrl === undefined) await deleteCluster(clusterUrl);
      await createCluster(apiUrl);
      await callApi(`${clusterUrl}/manifest?dryRun=true`, 'PUT', manifest);
    });
    await stage(`${hosts.size} hosts with an agent each, and ${containers.length} containers`, async () => {
      if (first.kind === 'native') journal.addNamespaces([...hosts.values()].map(({ netns }) => namespaceName(netns)));
      await Promise.all(
        machines.map((machine) =>
          makeHosts(
            machine,
            [...hosts.values()].filter(({ name }) => machineOf(name) === machine),
          ),
        ),
      );
      await callApi(`${clusterUrl}/manifest`, 'PUT', { nodes: manifest.nodes, ...(manifest.settings && { settings: manifest.settings }) });
      const starting = [...hosts.values()].map((host) => own.startAgent(host, agentSettings));
      await Promise.all([...starting, ...containers.map(({ name, node, ports, netns }) => addContainer(name, node, ports, netns))]);
      await agentsReady(clusterUrl, own, options.signal);
    });
    const start = performance.now();
    await stage('the manifest is applied on every node', () => callApi(`${clusterUrl}/manifest?wait=applied&timeout=${appliedWithinSeconds}`, 'PUT', manifest));
    const appliedWithin = performance.now() - start;
    journal.set({ apiUrl });

    const placeOf = (from: string): { readonly node: string; readonly netns: string } => {
      const host = hosts.get(from);
      const place = own.containerOf(from) ?? (host && { node: from, netns: host.netns });
      if (place === undefined) throw portolanError('not-found', '', `the lab has no host and no container ${from}`);
      return place;
    };
    let loads = 0;
    const startHere = async (argv: Argv, logFile: string): Promise<MachineProcess> => {
      const started = await startProcess(argv, { logFile });
      here.push(started);
      journal.addProcess('load', started.pid);
      return started;
    };

    return {
      apiUrl,
      cluster: labCluster,
      manifestPath,
      manifest,
      kind: first.kind,
      machineOf,
      lost: Promise.race(machines.map(({ lost }) => lost)),
      hosts,
      fileRootOf: (node) => fileRootOf(directory, node),
      servers: up.servers,
      controlPlane: up.controlPlane,
      appliedWithin,
      async request(from, url, count) {
        if (from === 'machine') return requestTimes(url, count);
        const place = placeOf(from);
        const { exitCode, stdout, stderr } = await machineOf(place.node).run([
          'nsenter',
          `--net=${place.netns}`,
          '--',
          process.execPath,
          programs.requester,
          url,
          String(count),
        ]);
        if (exitCode !== 0) throw portolanError('apply-failed', '', `requests from ${from} could not be made: ${stderr.trim()}`);
        return JSON.parse(stdout) as Answers;
      },
      async load(from, url, perSecond) {
        loads += 1;
        const logFile = join(logs, `load-${loads}.log`);
        const argv = [programs.loader, url, String(perSecond)];
        const started =
          from === 'machine'
            ? await startHere([process.execPath, ...argv], logFile)
            : await own.startProgram(placeOf(from).node, placeOf(from).netns, `load ${url}`, argv, logFile);
        while (!logTail(logFile, 1000).includes('started')) await sleep(20);
        return {
          async stop() {
            await started.kill('SIGTERM');
            await started.exited;
            return JSON.parse(readFileSync(logFile, 'utf8').trim().split('\n').at(-1) ?? '') as LoadAnswers;
          },
        };
      },
      async addContainer(endpoint, node, ...ports) {
        const netns = `/run/netns/${endpoint}`;
        await addContainer(endpoint, node, ports, netns);
        return netns;
      },
      removeContainer: (endpoint) => own.removeContainer(endpoint),
      stopContainer: (endpoint, signal) => own.stopContainer(endpoint, signal),
      async startAgent(node) {
        const host = hosts.get(node);
        if (host === undefined) throw portolanError('not-found', '', `the lab has no host ${node}`);
        await own.startAgent(host, agentSettings);
      },
      killAgent: (node, signal) => own.killAgent(node, signal),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Hosts are dealt out to the machines in turn. */
function placed(machines: readonly LabMachine[], nodes: readonly string[]): { readonly first: LabMachine; machineOf(node: string): LabMachine } {
  const [first] = machines;
  if (first === undefined) throw new Error('the lab has no machine');
  return { first, machineOf: (node) => machines[nodes.indexOf(node) % machines.length] ?? first };
}

async function deleteCluster(clusterUrl: string): Promise<void> {
  try {
    await callApi(clusterUrl, 'DELETE');
  } catch (error) {
    if (!(error instanceof PortolanError) || error.code !== 'not-found') throw error;
  }
}

async function createCluster(apiUrl: string): Promise<void> {
  try {
    await callApi(`${apiUrl}/v1/clusters`, 'POST', { name: labCluster });
  } catch (error) {
    if (!(error instanceof PortolanError) || error.code !== 'duplicate-name') throw error;
  }
}

/** Waits until every agent holds its lease and has applied what there is for it. */
async function agentsReady(clusterUrl: string, processes: LabProcesses, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + agentsWithin;
  for (;;) {
    signal?.throwIfAborted();
    const { nodes } = await callApi<Status>(`${clusterUrl}/status`);
    const waiting = nodes.filter((node) => node.alive !== true || node.computedRevision === 0 || node.appliedRevision < node.computedRevision);
    if (waiting.length === 0) return;
    const dead = nodes.find(({ name }) => !processes.isAgentRunning(name));
    const late = dead ?? (performance.now() > deadline ? waiting[0] : undefined);
    if (late !== undefined) {
      const log = processes.agentLog(late.name);
      throw portolanError('apply-failed', '', `the agent of ${late.name} ${dead === undefined ? 'is not ready' : 'ended'}:\n${logTail(log)}`, {
        fix: `Read ${log}.`,
      });
    }
    await sleep(100);
  }
}
