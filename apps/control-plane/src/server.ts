import type { NewId } from '@portolan/intent';
import type { Coordination, CredentialStore, FlannelRegistry, HintQueue, IntentStore, NodeAccess } from '@portolan/store';
import { createMemoryAccess, openMemoryCredentials } from '@portolan/store/memory';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { absentRegistry } from './application/absent-registry.js';
import { Changes } from './application/changes.js';
import type { Clock, Context, Log } from './application/context.js';
import { authenticator } from './application/credentials/authentication.js';
import type { Authority } from './application/credentials/authority.js';
import { Believed } from './application/credentials/believed.js';
import { Refusals } from './application/credentials/refusals.js';
import { LivenessView } from './application/liveness-view.js';
import { RegistryViews } from './application/registry-views.js';
import { Renewals } from './application/renewals.js';
import { registerGraphql } from './graphql/index.js';
import { registerAuth } from './plugins/auth.js';
import { registerDashboard } from './plugins/dashboard.js';
import { registerGraphiql } from './plugins/graphiql.js';
import { registerHealth } from './plugins/health.js';
import { createMetrics, registerMetrics } from './plugins/metrics.js';
import { registerOpenapi } from './plugins/openapi.js';
import { registerProblems } from './plugins/problems.js';
import { registerRest } from './rest/index.js';
import { accessTask, refusalsTask } from './tasks/access.js';
import { computeBehind } from './tasks/compute.js';
import { conditionsTask } from './tasks/conditions.js';
import { drainTask } from './tasks/drain.js';
import { flannelTask } from './tasks/flannel.js';
import { livenessTask } from './tasks/liveness.js';
import { startMigration } from './tasks/migrate.js';
import { publishHints } from './tasks/publish-hints.js';
import { revisionPublisher } from './tasks/publish-revision.js';
import { renewalTask } from './tasks/renew-leases.js';
import { rolloutTask } from './tasks/rollout.js';
import { startTask, type Task, type TaskOptions } from './tasks/task.js';
import { registryWatch } from './tasks/watch-registry.js';

/** A manifest of 10,000 services with ten endpoints each has about 20 MiB. */
const BODY_LIMIT = 64 * 1024 * 1024;
/** How often a task looks by itself, in milliseconds: the longest delay when a poke was lost or came to another process. */
const COMPUTE_EVERY_MS = 1500;
/** A single commit is computed at once; of a stream of them, what comes within this time is computed together. */
const COMPUTE_REST_MS = 100;
const PUBLISH_EVERY_MS = 2000;
const LIVENESS_EVERY_MS = 2000;
const LIFE_EVERY_MS = 1500;
/** Many nodes report at the same time: what comes within this time is judged together. */
const LIFE_REST_MS = 50;
const ROLLOUT_EVERY_MS = 1500;
/** How long a user of Redis or etcd can be missing after a restart, or stay of a node that went, when a poke was lost. */
const ACCESS_EVERY_MS = 3000;
/** It lists every user; a stream of commits does not make it do so each time. */
const ACCESS_REST_MS = 500;
const REFUSALS_EVERY_MS = 1000;
const FLANNEL_EVERY_MS = 1500;
/** So many leases that come at once are mirrored by one commit. */
const FLANNEL_REST_MS = 50;
const RENEW_EVERY_MS = 60_000;
/** Each renewal is a call for many leases. */
const RENEW_REST_MS = 1000;

export interface ControlPlaneParts {
  readonly store: IntentStore;
  readonly queue: HintQueue;
  readonly coordination: Coordination;
  /** flannel's; without it no flannel network gets subnets. */
  readonly registry?: FlannelRegistry | undefined;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly log: Log;
  /** May do everything, also what agents do. Without it callers without credentials may, but not over TLS. */
  readonly token?: string | undefined;
  /** In memory unless given: then they end with the process. */
  readonly credentials?: CredentialStore | undefined;
  /** Signs the certificates of nodes; without it no host can join. */
  readonly authority?: Authority | undefined;
  /** Users of nodes in Redis and etcd; without it joined hosts get none. */
  readonly access?: NodeAccess | undefined;
  /** What agents are told to join. */
  readonly publicUrl?: string | undefined;
}

export interface ControlPlane {
  /** Answers as soon as it listens, or to `inject`: with 503 until `start` has brought the database up to date. */
  readonly app: FastifyInstance;
  /** Migrates, and then starts the background tasks. Resolves when the database is up to date; in an outage that lasts. */
  start(): Promise<void>;
  /** Ends waits and tasks, then the server. The stores are left open: they are the caller's. */
  stop(): Promise<void>;
}

/**
 * Puts a control plane together.
 *
 * ```
 * rest/ ── graphql/ ── agents/          doors
 *            │
 *       application/                    commands, queries, wait
 *            │  commitEdit ─► Changes ─► pokes
 *         stores ◄── tasks/             compute ─► publish hints (Redis), publish revision (etcd); liveness ─► conditions; drain; flannel
 * ```
 */
export async function buildControlPlane(parts: ControlPlaneParts): Promise<ControlPlane> {
  const { store, queue, coordination, clock, log } = parts;
  const stopping = new AbortController();
  const metrics = createMetrics();
  const ctx: Context = {
    store,
    clock,
    newId: parts.newId,
    log,
    changes: new Changes(clock),
    liveness: new LivenessView(),
    registry: parts.registry ?? absentRegistry,
    registryViews: new RegistryViews(),
    renewals: new Renewals(),
    counters: metrics.counters,
    credentials: parts.credentials ?? openMemoryCredentials(),
    access: parts.access ?? createMemoryAccess(),
    authority: parts.authority ?? null,
    believed: new Believed(clock),
    refusals: new Refusals(clock, metrics.counters.refused),
    publicUrl: parts.publicUrl ?? null,
    stopping: stopping.signal,
  };
  const tasks: Task[] = [];
  const liveness = livenessTask(ctx, coordination);
  const registry = registryWatch(ctx);
  let pendingMigration: () => string | null = () => 'the control plane is starting';
  const pending = (): string | null => pendingMigration();

  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: true,
  });
  const authenticate = authenticator(ctx, parts.token);
  registerProblems(app);
  registerAuth(app, ctx, authenticate, pending);
  await registerOpenapi(app, parts.token !== undefined);
  registerMetrics(app, ctx, metrics);
  registerHealth(app, { store, queue, coordination }, clock, pending);
  await registerRest(app, ctx, pending);
  await registerGraphql(app, ctx, authenticate, pending);
  registerGraphiql(app);
  await registerDashboard(app);

  async function start(): Promise<void> {
    const migration = startMigration(store, clock, log, stopping.signal);
    pendingMigration = migration.pending;
    await migration.done;
    if (stopping.signal.aborted) return;
    const task = (name: string, everyMs: number, run: TaskOptions['run'], restMs = 0): Task => startTask({ name, everyMs, restMs, clock, log, run });
    const compute = task('compute', COMPUTE_EVERY_MS, (signal) => computeBehind(ctx, signal), COMPUTE_REST_MS);
    const hints = task('publish-hints', PUBLISH_EVERY_MS, (signal) => publishHints(ctx, queue, signal));
    const revisions = task('publish-revision', PUBLISH_EVERY_MS, revisionPublisher(ctx, coordination));
    const alive = task('liveness', LIVENESS_EVERY_MS, liveness.run);
    const conditions = task('conditions', LIFE_EVERY_MS, conditionsTask(ctx), LIFE_REST_MS);
    const drain = task('drain', LIFE_EVERY_MS, drainTask(ctx), LIFE_REST_MS);
    const rollout = task('rollout', ROLLOUT_EVERY_MS, rolloutTask(ctx));
    const watch = task('watch-registry', LIVENESS_EVERY_MS, registry.run);
    const flannel = task('flannel', FLANNEL_EVERY_MS, flannelTask(ctx), FLANNEL_REST_MS);
    const renewal = task('renew-leases', RENEW_EVERY_MS, renewalTask(ctx), RENEW_REST_MS);
    tasks.push(compute, hints, revisions, alive, conditions, drain, rollout, watch, flannel, renewal);
    tasks.push(task('refusals', REFUSALS_EVERY_MS, refusalsTask(ctx)));
    const access = ctx.authority === null ? undefined : task('access', ACCESS_EVERY_MS, accessTask(ctx), ACCESS_REST_MS);
    if (access !== undefined) tasks.push(access);
    ctx.changes.subscribe((movement) => {
      if (movement === 'committed' || movement === 'credentials') access?.poke();
      if (movement === 'committed') for (const each of [compute, watch]) each.poke();
      if (movement === 'committed' || movement === 'reported' || movement === 'liveness') for (const each of [conditions, drain, flannel]) each.poke();
      if (movement === 'reported' || movement === 'liveness' || movement === 'rollout') rollout.poke();
      if (movement === 'rollout') for (const each of [compute, revisions]) each.poke();
      if (movement === 'registry') for (const each of [flannel, renewal]) each.poke();
      if (movement === 'clusters') for (const each of tasks) each.poke();
      if (movement === 'computed') for (const each of [hints, revisions]) each.poke();
    });
  }

  async function stop(): Promise<void> {
    stopping.abort();
    await Promise.all(tasks.map((task) => task.stop()));
    await Promise.all([liveness.close(), registry.close()]);
    await app.close();
    await refusalsTask(ctx)().catch(() => undefined);
  }

  return { app, start, stop };
}
