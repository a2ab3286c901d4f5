import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Argv,
  type LabHost,
  type LabMachine,
  type MachineProcess,
  makeContainerNamespace,
  removeContainerNamespace,
  type StartOptions,
  startIn,
} from '@portolan/harness';
import { portolanError } from '@portolan/model';
import { logTail } from './log-tail.js';
import { programs } from './programs/paths.js';
import { fileRootOf, runFolder } from './record.js';

export interface AgentSettings {
  readonly cluster: string;
  /** URLs as a host of the lab reaches them. */
  readonly apiUrl: string;
  readonly redisUrl: string;
  readonly etcdEndpoints: readonly string[];
  /** Seconds; see LabOptions. */
  readonly resync: number | undefined;
}

/** Told of each process on this machine as soon as it runs; never called for those of a guest. */
export type OnStart = (name: string, pid: number) => void;

const listensWithin = 60_000;

/** Agents and containers of a lab: processes in namespaces, started the same way natively and in a guest. */
export class LabProcesses {
  readonly #agents = new Map<string, MachineProcess>();
  readonly #containers = new Map<string, { readonly node: string; readonly netns: string; readonly process: MachineProcess }>();

  constructor(
    private readonly machineOf: (node: string) => LabMachine,
    private readonly directory: string,
    private readonly logs: string,
    private readonly onStart: OnStart,
  ) {}

  async #start(machine: LabMachine, name: string, netns: string, argv: Argv, options: StartOptions): Promise<MachineProcess> {
    const started = await startIn(machine, netns, argv, options);
    if (machine.kind === 'native') this.onStart(name, started.pid);
    return started;
  }

  agentLog(node: string): string {
    return join(this.logs, `agent-${node}.log`);
  }

  async startAgent(host: LabHost, settings: AgentSettings): Promise<MachineProcess> {
    const folder = join(runFolder, host.name);
    const env = {
      PORTOLAN_URL: settings.apiUrl,
      PORTOLAN_TOKEN: '',
      REDIS_URL: settings.redisUrl,
      ETCD_ENDPOINTS: settings.etcdEndpoints.join(','),
      PORTOLAN_CLUSTER: settings.cluster,
      PORTOLAN_NODE: host.name,
      ...(settings.resync !== undefined && { PORTOLAN_RESYNC_SECONDS: String(settings.resync) }),
      PORTOLAN_RUN_DIR: folder,
      // It goes with the lab: a ledger that outlives its cluster would refuse the generations of the next one.
      PORTOLAN_STATE_DIR: join(folder, 'state'),
      // Hosts here share one file system.
      PORTOLAN_FILE_ROOT: fileRootOf(this.directory, host.name),
    };
    // As in its unit on a real host: what mends the network must not starve behind what uses it.
    const argv: Argv = ['nice', '-n', '-5', process.execPath, programs.agent];
    const agent = await this.#start(this.machineOf(host.name), `agent ${host.name}`, host.netns, argv, { logFile: this.agentLog(host.name), env });
    this.#agents.set(host.name, agent);
    void agent.exited.then(() => {
      if (this.#agents.get(host.name) === agent) this.#agents.delete(host.name);
    });
    return agent;
  }

  isAgentRunning(node: string): boolean {
    return this.#agents.has(node);
  }

  /** Resolves when it is gone, for signals that end it. */
  async killAgent(node: string, signal: NodeJS.Signals): Promise<void> {
    const agent = this.#agents.get(node);
    if (agent === undefined) throw portolanError('not-found', '', `no agent runs on ${node}`);
    await agent.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await agent.exited;
  }

  /** Makes the container's namespace and starts its server; resolves when that listens. */
  async addContainer(endpoint: string, node: string, ports: readonly string[], netns: string): Promise<void> {
    const machine = this.machineOf(node);
    await makeContainerNamespace(machine, netns);
    const logFile = join(this.logs, `container-${endpoint}.log`);
    const argv: Argv = [process.execPath, programs.container, endpoint, node, ...ports];
    const started = await this.#start(machine, `container ${endpoint}`, netns, argv, { logFile });
    this.#containers.set(endpoint, { node, netns, process: started });
    let ended = false;
    void started.exited.then(() => {
      ended = true;
    });
    const deadline = performance.now() + listensWithin;
    while (
      !ports.every((port) => logTail(logFile, 1000).includes(`${endpoint} listens on ${port}\n`) || logTail(logFile, 1000).endsWith(` listens on ${port}`))
    ) {
      if (ended || performance.now() > deadline) throw portolanError('apply-failed', '', `container ${endpoint} does not listen:\n${logTail(logFile)}`);
      await sleep(50);
    }
  }

  /** Ends the container as a runtime does: process and namespace go. */
  async removeContainer(endpoint: string): Promise<void> {
    const container = this.#containers.get(endpoint);
    if (container === undefined) throw portolanError('not-found', '', `the lab has no container ${endpoint}`);
    this.#containers.delete(endpoint);
    await container.process.kill('SIGKILL');
    await container.process.exited;
    await removeContainerNamespace(this.machineOf(container.node), container.netns);
  }

  /** Stops the container's program as a runtime does, but leaves its namespace. */
  async stopContainer(endpoint: string, signal: NodeJS.Signals): Promise<void> {
    const container = this.#containers.get(endpoint);
    if (container === undefined) throw portolanError('not-found', '', `the lab has no container ${endpoint}`);
    await container.process.kill(signal);
    await container.process.exited;
  }

  /** A program in a namespace of a node; `logFile` takes what it prints. */
  startProgram(node: string, netns: string, name: string, argv: readonly string[], logFile: string): Promise<MachineProcess> {
    return this.#start(this.machineOf(node), name, netns, [process.execPath, ...argv], { logFile });
  }

  /** Where the container is; undefined when there is none of the name. */
  containerOf(endpoint: string): { readonly node: string; readonly netns: string } | undefined {
    return this.#containers.get(endpoint);
  }

  /** Asks all agents to stop, and waits for them a while. */
  async stopAgents(): Promise<void> {
    const agents = [...this.#agents.values()];
    await Promise.all(agents.map((agent) => agent.kill('SIGTERM')));
    const patience = new AbortController();
    const late = sleep(3_000, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([Promise.all(agents.map((agent) => agent.exited)), late]);
    patience.abort();
  }
}

/** Name of a container's namespace as `ip netns` knows it. */
export function namespaceName(netns: string): string {
  return basename(netns);
}
