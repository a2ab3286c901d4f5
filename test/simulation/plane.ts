import { portolanError } from '@portolan/model';
import type { FlannelRegistry, IntentStore } from '@portolan/store';
import { createMemoryAccess, openMemoryCredentials } from '@portolan/store/memory';
import { Changes } from '../../apps/control-plane/src/application/changes.js';
import type { Context } from '../../apps/control-plane/src/application/context.js';
import { Believed } from '../../apps/control-plane/src/application/credentials/believed.js';
import { Refusals } from '../../apps/control-plane/src/application/credentials/refusals.js';
import { LivenessView } from '../../apps/control-plane/src/application/liveness-view.js';
import { RegistryViews } from '../../apps/control-plane/src/application/registry-views.js';
import { Renewals } from '../../apps/control-plane/src/application/renewals.js';
import { createMetrics } from '../../apps/control-plane/src/plugins/metrics.js';
import { computeBehind } from '../../apps/control-plane/src/tasks/compute.js';
import { conditionsTask } from '../../apps/control-plane/src/tasks/conditions.js';
import { drainTask } from '../../apps/control-plane/src/tasks/drain.js';
import { flannelTask } from '../../apps/control-plane/src/tasks/flannel.js';
import { livenessTask } from '../../apps/control-plane/src/tasks/liveness.js';
import { publishHints } from '../../apps/control-plane/src/tasks/publish-hints.js';
import { revisionPublisher } from '../../apps/control-plane/src/tasks/publish-revision.js';
import { renewalTask } from '../../apps/control-plane/src/tasks/renew-leases.js';
import { rolloutTask } from '../../apps/control-plane/src/tasks/rollout.js';
import { startTask, type Task, type TaskOptions } from '../../apps/control-plane/src/tasks/task.js';
import { registryWatch } from '../../apps/control-plane/src/tasks/watch-registry.js';
import { type Crossing, crossing, SimulatedProcess } from './process.js';
import type { World } from './world.js';

/** A control plane: the context and the tasks that `server.ts` puts together, without its doors. */
export class SimulatedPlane {
  process: SimulatedProcess | undefined;
  #context: Context | undefined;
  wallOffset = 0;
  #starts = 0;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  get ctx(): Context {
    if (this.#context === undefined) throw new Error(`${this.name} was never started`);
    return this.#context;
  }

  start(): void {
    if (this.process?.isAlive === true) return;
    const { world } = this;
    this.#starts += 1;
    const process = new SimulatedProcess(`${this.name}#${this.#starts}`, world.time, world.chance.fork(), world.faults, () => this.restartLater());
    this.process = process;
    const clock = {
      now: () => new Date(world.today() + this.wallOffset),
      monotonic: () => world.time.now,
      sleep: (milliseconds: number, signal?: AbortSignal) => process.sleep(milliseconds, signal),
    };
    const ctx: Context = {
      store: storeOf(world, process),
      clock,
      newId: world.newId,
      log: world.logOf(process.name),
      changes: new Changes(clock),
      liveness: new LivenessView(),
      registry: registryOf(world, process),
      registryViews: new RegistryViews(),
      renewals: new Renewals(),
      counters: uncounted,
      credentials: openMemoryCredentials(),
      access: createMemoryAccess(),
      authority: null,
      believed: new Believed(clock),
      refusals: new Refusals(clock, () => undefined),
      publicUrl: null,
      stopping: new AbortController().signal,
    };
    this.#context = ctx;
    this.#startTasks(ctx, process);
  }

  #startTasks(ctx: Context, process: SimulatedProcess): void {
    const { world } = this;
    const queue = world.hints.queueOf(process);
    const coordination = world.etcd.coordinationOf(process, () => false);
    const liveness = livenessTask(ctx, coordination);
    const registry = registryWatch(ctx);
    const task = (name: string, everyMs: number, run: TaskOptions['run'], restMs = 0): Task =>
      startTask({ name, everyMs, restMs, clock: ctx.clock, log: ctx.log, run });
    const compute = task('compute', 1500, (signal) => computeBehind(ctx, signal), 100);
    const hints = task('publish-hints', 2000, (signal) => publishHints(ctx, queue, signal));
    const revisions = task('publish-revision', 2000, revisionPublisher(ctx, coordination));
    const alive = task('liveness', 2000, liveness.run);
    const conditions = task('conditions', 1500, conditionsTask(ctx), 50);
    const drain = task('drain', 1500, drainTask(ctx), 50);
    const rollout = task('rollout', 1500, rolloutTask(ctx));
    const flannelTasks = world.hasFlannel
      ? {
          watch: task('watch-registry', 2000, registry.run),
          flannel: task('flannel', 1500, flannelTask(ctx), 50),
          renewal: task('renew-leases', 60_000, renewalTask(ctx), 1000),
        }
      : undefined;
    const { watch, flannel, renewal } = flannelTasks ?? {};
    const all = [compute, hints, revisions, alive, conditions, drain, rollout, watch, flannel, renewal];
    ctx.changes.subscribe((movement) => {
      if (movement === 'committed') for (const each of [compute, watch]) each?.poke();
      if (movement === 'committed' || movement === 'reported' || movement === 'liveness') for (const each of [conditions, drain, flannel]) each?.poke();
      if (movement === 'reported' || movement === 'liveness' || movement === 'rollout') rollout.poke();
      if (movement === 'rollout') for (const each of [compute, revisions]) each.poke();
      if (movement === 'registry') for (const each of [flannel, renewal]) each?.poke();
      if (movement === 'clusters') for (const each of all) each?.poke();
      if (movement === 'computed') for (const each of [hints, revisions]) each.poke();
    });
  }

  kill(why: string): void {
    if (this.process?.isAlive !== true) return;
    this.world.note(`${this.process.name} is killed: ${why}`);
    this.process.kill();
    this.restartLater();
  }

  restartLater(): void {
    const { time, chance, faults } = this.world;
    time.after(faults.isOver ? 500 : chance.between(100, 6000), `${this.name} starts`, () => this.start());
  }
}

/** Nobody reads the figures. */
const uncounted = new Proxy(createMetrics().counters, { get: () => () => undefined });

/** PostgreSQL as one process reaches it. */
function storeOf(world: World, process: SimulatedProcess): IntentStore {
  const { store: inner, truth, planted, faults } = world;
  const wire: Crossing = {
    latency: [0.2, 6],
    outlivesCaller: true,
    losesAnswers: true,
    refusal: () => (world.isStoreDown ? portolanError('store-unavailable', '', 'the simulated database cannot be reached') : undefined),
  };
  const call = <T>(what: string, effect: () => Promise<T>): Promise<T> => process.call(what, wire, effect);

  async function noteProgress(): Promise<void> {
    const snapshot = await inner.snapshot(world.cluster).catch(() => undefined);
    if (snapshot !== undefined) truth.progressed(snapshot, await inner.progress(snapshot.cluster.id));
  }

  return {
    ...crossing(inner, (method, effect) => call(`store.${method}`, effect)),
    commit: (cluster, note, edit) =>
      call(`store.commit ${note.actor}: ${note.summary}`, async () => {
        const before = await inner.snapshot(cluster);
        const isRetried = faults.happens('store-failure', 0.1);
        const committed = await inner.commit(cluster, note, (snapshot, settled) => {
          // A serialisation failure: the first answer of the edit comes to nothing.
          if (isRetried) edit(snapshot, settled);
          const after = edit(snapshot, settled);
          return planted.edited?.(snapshot, after) ?? after;
        });
        if (committed.changed) {
          truth.committed(before, committed.snapshot, world.hosts);
          world.committed(before, committed.snapshot);
        }
        return committed;
      }),
    saveComputed: (cluster, revision, states) =>
      call(`store.saveComputed ${revision}, ${states.filter(({ changed }) => changed !== undefined).length} of ${states.length} changed`, async () => {
        await inner.saveComputed(cluster, revision, states);
        truth.computed(revision, states, await inner.progress(cluster));
        await noteProgress();
      }),
    saveReport: (nodeId, report) =>
      call('store.saveReport', async () => {
        const saved = await inner.saveReport(nodeId, report);
        await noteProgress();
        return saved;
      }),
    drainOutbox: (limit, publish) =>
      call('store.drainOutbox', () =>
        inner.drainOutbox(
          limit,
          (messages) =>
            new Promise((resolve, reject) => {
              // With its connection the transaction of a process ends, and its row locks.
              process.onEnd(() => reject(new Error('the connection of the process is gone')));
              publish(planted.published?.(messages) ?? messages).then(resolve, reject);
            }),
        ),
      ),
  };
}

/** flannel's registry as one process reaches it. A write may have happened even where it fails. */
function registryOf(world: World, process: SimulatedProcess): FlannelRegistry {
  const wire: Crossing = {
    latency: [0.3, 8],
    outlivesCaller: true,
    losesAnswers: true,
    refusal: () => (world.etcd.isDown ? portolanError('store-unavailable', '', 'the simulated etcd cannot be reached') : undefined),
  };
  return {
    ...crossing(world.registry, (method, effect) => process.call(`registry.${method}`, wire, effect)),
    watch: (prefix, onView) =>
      process.call('registry.watch', { ...wire, refusal: () => undefined, losesAnswers: false }, async () => {
        const end = await world.registry.watch(prefix, (view) => {
          world.time.after(world.chance.between(0.3, 10), `${process.name} hears of the registry`, () => {
            if (process.isAlive) onView(view);
          });
        });
        process.onEnd(() => void end());
        return end;
      }),
  };
}
