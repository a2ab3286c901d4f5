import type { Id, Manifest, ServiceSpec, Snapshot } from '@portolan/model';
import { noSignals, PROTOCOL_VERSION, type Report, type Signals } from '@portolan/protocol';
import type { Changeset, IntentStore } from '@portolan/store';
import { createMemoryAccess, openMemoryCredentials, openMemoryStore } from '@portolan/store/memory';
import { seededIds } from '@portolan/testkit';
import { pino } from 'pino';
import { absentRegistry } from '../src/application/absent-registry.js';
import type { Actor } from '../src/application/actor.js';
import { applyChangeset } from '../src/application/apply-changeset.js';
import { Changes } from '../src/application/changes.js';
import { changesetRepresentation } from '../src/application/changeset-representation.js';
import { changesetWithId, createChangeset } from '../src/application/changesets.js';
import { applyClusterManifest, createCluster } from '../src/application/commands.js';
import type { Clock, Context } from '../src/application/context.js';
import { Believed } from '../src/application/credentials/believed.js';
import { Refusals } from '../src/application/credentials/refusals.js';
import { LivenessView } from '../src/application/liveness-view.js';
import { RegistryViews } from '../src/application/registry-views.js';
import { Renewals } from '../src/application/renewals.js';
import { takeReport } from '../src/application/reports.js';
import { computeBehind } from '../src/tasks/compute.js';
import { conditionsTask } from '../src/tasks/conditions.js';
import { rolloutTask } from '../src/tasks/rollout.js';

const CLUSTER = 'lab';
export const person: Actor = { name: 'rest:ann', from: '192.0.2.1' };
const MOST_ROUNDS = 60;

/** How an agent behaves. */
export interface Conduct {
  isUp: boolean;
  /** It reports that it cannot apply the newest state. */
  fails: boolean;
  /** It takes in nothing new. */
  sleeps: boolean;
  /** VIPs that it has a new way to do not answer. */
  vipsAreSilent: boolean;
  absent: readonly Id[];
}

function serviceOf(scheduler: ServiceSpec['scheduler']): ServiceSpec {
  return { name: 'web', networks: [{ network: 'app', vip: '10.7.0.20', mark: 0x10001 }], ...(scheduler === undefined ? {} : { scheduler }) };
}

/** A service with an endpoint on each node; its scheduler is on each node, too. */
export function manifestOfNodes(nodes: readonly string[], scheduler: ServiceSpec['scheduler'] = 'rr'): Manifest {
  return {
    nodes: nodes.map((name, i) => ({ name, address: `192.0.2.${10 + i}` })),
    networks: [{ name: 'app', vni: 4100, subnet: '10.7.0.0/24' }],
    services: [serviceOf(scheduler)],
    endpoints: nodes.map((node, i) => ({ name: `web.${i + 1}`, service: 'web', node, attachment: { netns: `/run/netns/web.${i + 1}` } })),
  };
}

/** A control plane of which the time and the tasks are in the hands of a test, with agents that touch no kernel. */
export class RolloutStage {
  readonly store: IntentStore;
  ctx: Context;
  /** It remembers since when hosts are silent. */
  #conditions: (signal: AbortSignal) => Promise<void>;
  readonly agents = new Map<string, Conduct>();
  /** Ids of nodes that nobody reaches. */
  readonly unreachable = new Set<Id>();
  readonly #reported = new Map<string, string>();
  #offset = 0;

  private constructor(readonly nodes: readonly string[]) {
    this.store = openMemoryStore({ now: () => this.#now() });
    this.ctx = this.#newContext();
    this.#conditions = conditionsTask(this.ctx);
  }

  /** Nodes n1, n2, … that have all applied the manifest. */
  static async with(count: number): Promise<RolloutStage> {
    const stage = new RolloutStage(Array.from({ length: count }, (_, i) => `n${i + 1}`));
    for (const node of stage.nodes) stage.agents.set(node, { isUp: true, fails: false, sleeps: false, vipsAreSilent: false, absent: [] });
    await createCluster(stage.ctx, person, { name: CLUSTER });
    await applyClusterManifest(stage.ctx, person, CLUSTER, manifestOfNodes(stage.nodes));
    await stage.settle();
    return stage;
  }

  #now(): Date {
    return new Date(Date.UTC(2026, 0, 1) + this.#offset);
  }

  #newContext(): Context {
    const clock: Clock = {
      now: () => this.#now(),
      monotonic: () => this.#offset,
      sleep: async (milliseconds) => {
        this.#offset += milliseconds;
      },
    };
    const counters: Context['counters'] = {
      committed: () => undefined,
      computed: () => undefined,
      registryWritten: () => undefined,
      refused: () => undefined,
      driftRepaired: () => undefined,
    };
    return {
      store: this.store,
      clock,
      newId: seededIds(11),
      log: pino({ level: 'silent' }),
      changes: new Changes(clock),
      liveness: new LivenessView(),
      registry: absentRegistry,
      registryViews: new RegistryViews(),
      renewals: new Renewals(),
      counters,
      credentials: openMemoryCredentials(),
      access: createMemoryAccess(),
      authority: null,
      believed: new Believed(clock),
      refusals: new Refusals(clock, counters.refused),
      publicUrl: null,
      stopping: new AbortController().signal,
    };
  }

  /** Another control plane on the same store, which remembers nothing. */
  restart(): void {
    this.ctx = this.#newContext();
    this.#conditions = conditionsTask(this.ctx);
  }

  advance(seconds: number): void {
    this.#offset += seconds * 1000;
  }

  agent(node: string): Conduct {
    const agent = this.agents.get(node);
    if (agent === undefined) throw new Error(`there is no node ${node}`);
    return agent;
  }

  snapshot(): Promise<Snapshot> {
    return this.store.snapshot(CLUSTER);
  }

  async id(node: string): Promise<Id> {
    const found = [...(await this.snapshot()).nodes.values()].find(({ name }) => name === node);
    if (found === undefined) throw new Error(`the snapshot has no node ${node}`);
    return found.id;
  }

  /** Everything that tasks and agents do, until nothing moves. Time stands still. */
  async settle(): Promise<void> {
    let before = '';
    for (let round = 0; round < MOST_ROUNDS; round++) {
      await this.#round();
      const { cluster } = await this.snapshot();
      const now = JSON.stringify([cluster.revision, await this.store.progress(cluster.id), await this.store.changesets(cluster.id, { limit: 5 })]);
      if (now === before) return;
      before = now;
    }
    throw new Error(`nothing is at rest after ${MOST_ROUNDS} rounds`);
  }

  async #round(): Promise<void> {
    const alive = [...this.agents].flatMap(([node, { isUp }]) => (isUp ? [[node, { version: 'simulated', startedAt: '', pid: 1 }] as const] : []));
    this.ctx.liveness.set(CLUSTER, new Map(alive));
    const { signal } = new AbortController();
    await this.#conditions(signal);
    await rolloutTask(this.ctx)(signal);
    await computeBehind(this.ctx, signal);
    for (const [node, conduct] of this.agents) if (conduct.isUp && !conduct.sleeps) await this.#sync(node, conduct);
  }

  async #sync(node: string, conduct: Conduct): Promise<void> {
    const snapshot = await this.snapshot();
    const id = await this.id(node);
    const [progress] = await this.store.progress(snapshot.cluster.id, id);
    const row = await this.store.nodeState(id);
    if (row === null || progress === undefined) return;
    const { state, generation } = row;
    const revision = progress.computedRevision;
    const vips = conduct.vipsAreSilent ? silentVips(snapshot, revision) : {};
    const at = this.#now().toISOString();
    const report: Report = {
      protocol: PROTOCOL_VERSION,
      agentVersion: 'simulated',
      generation,
      revision,
      stateHash: state.hash,
      status: conduct.fails ? 'failed' : 'applied',
      startedAt: at,
      finishedAt: at,
      steps: [],
      commands: [],
      errors: conduct.fails ? [{ code: 'apply-failed', message: 'ipvsadm ended with 1', fix: 'Read its output.' }] : [],
      waiting: [],
      endpoints: Object.fromEntries(Object.keys(state.endpoints).map((own) => [own, conduct.absent.includes(own) ? 'absent' : 'present'])),
      signals: { ...noSignals, reachable: Object.fromEntries(Object.keys(state.watch.nodes).map((other) => [other, !this.unreachable.has(other)])), vips },
      observed: {
        hash: `seen-${state.hash}`,
        objects: state.objects.map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind, body })),
        foreign: [],
      },
      facts: {},
    };
    const { startedAt: _startedAt, finishedAt: _finishedAt, ...said } = report;
    const text = JSON.stringify(said);
    if (this.#reported.get(node) === text) return;
    this.#reported.set(node, text);
    await takeReport(this.ctx, snapshot, node, report);
  }

  /** Plans another scheduler, and applies that. */
  async roll(scheduler: ServiceSpec['scheduler'], request: unknown = {}): Promise<string> {
    const { id } = await createChangeset(this.ctx, person, CLUSTER, { manifest: { services: [serviceOf(scheduler)] } });
    await applyChangeset(this.ctx, person, CLUSTER, id, request);
    await this.settle();
    return id;
  }

  async changeset(id: string): Promise<Changeset> {
    return changesetWithId(this.ctx, await this.snapshot(), id);
  }

  /** State of each node in the rollout, in the order of their names. */
  async states(id: string): Promise<string> {
    const { rollout } = changesetRepresentation(await this.snapshot(), await this.changeset(id));
    return (rollout?.nodes ?? []).map(({ state }) => state).join(' ');
  }

  /** What each node was told to balance by, in the order of their names. */
  async schedulers(): Promise<string> {
    const told = this.nodes.map(async (node) => {
      const row = await this.store.nodeState(await this.id(node));
      const body = row?.state.objects.map((object) => object.body).find((own) => own.kind === 'virtual-server');
      return body?.kind === 'virtual-server' ? body.scheduler : 'none';
    });
    return (await Promise.all(told)).join(' ');
  }

  async applied(): Promise<readonly number[]> {
    const rows = new Map((await this.store.progress((await this.snapshot()).cluster.id)).map((row) => [row.nodeId, row.appliedRevision]));
    return Promise.all(this.nodes.map(async (node) => rows.get(await this.id(node)) ?? -1));
  }
}

function silentVips({ services }: Snapshot, revision: number): NonNullable<Signals['vips']> {
  const keys = [...services.values()].flatMap(({ id, networks }) => networks.map(({ networkId }) => `${id}/${networkId}/80`));
  return Object.fromEntries(keys.map((key) => [key, { revision, answers: false }]));
}
