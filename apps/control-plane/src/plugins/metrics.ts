import { type FlannelLease, traffics, trafficTo } from '@portolan/model';
import { FLANNEL_TTL_SECONDS } from '@portolan/store';
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Context, Counters } from '../application/context.js';
import { leavingEndpoints } from '../application/drains.js';
import { driftKinds, openDrift } from '../application/drift.js';
import { poolsOf } from '../application/pools.js';
import { statusOf } from '../application/status.js';
import { refused } from './auth.js';

export interface Metrics {
  readonly registry: Registry;
  readonly counters: Counters;
  readonly http: Histogram<'method' | 'route' | 'status'>;
  /** Reads the gauges anew from the stores. */
  refresh(ctx: Context): Promise<void>;
}

/** The figures of one control plane. Each has a registry of its own, so that several fit into one process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'portolan_' });
  const labelNames = ['cluster'] as const;
  const commits = new Counter({ name: 'portolan_commits_total', help: 'Commits to intent that made a revision.', labelNames, registers });
  const compute = new Histogram({ name: 'portolan_compute_seconds', help: 'Time to compute and save one batch of node states.', labelNames, registers });
  const computed = new Counter({ name: 'portolan_node_states_computed_total', help: 'Node states computed.', labelNames, registers });
  const revisions = new Gauge({
    name: 'portolan_revision',
    help: 'Revisions of a cluster: intent, computed (lowest of its nodes), applied (lowest of its nodes).',
    labelNames: ['cluster', 'stage'] as const,
    registers,
  });
  const nodes = new Gauge({ name: 'portolan_nodes', help: 'Nodes of a cluster by liveness.', labelNames: ['cluster', 'state'] as const, registers });
  const endpoints = new Gauge({
    name: 'portolan_endpoints',
    help: 'Endpoints of a cluster by what they are sent.',
    labelNames: ['cluster', 'traffic'] as const,
    registers,
  });
  const draining = new Gauge({ name: 'portolan_endpoints_draining', help: 'Endpoints of a cluster that are being drained.', labelNames, registers });
  const pool = ['cluster', 'pool', 'name'] as const;
  const poolSize = new Gauge({
    name: 'portolan_pool_size',
    help: 'Values of a pool: subnets, addresses of a network, marks, VNIs, ports.',
    labelNames: pool,
    registers,
  });
  const poolUsed = new Gauge({ name: 'portolan_pool_used', help: 'Values of a pool that are in use.', labelNames: pool, registers });
  const poolRetired = new Gauge({
    name: 'portolan_pool_retired',
    help: 'Values of a pool that were given up, but that a node may still hold.',
    labelNames: pool,
    registers,
  });
  const outbox = new Gauge({ name: 'portolan_outbox_messages', help: 'Hints that are committed but not yet published.', registers });
  const jobs = new Gauge({ name: 'portolan_jobs', help: 'Jobs by status.', labelNames: ['status'] as const, registers });
  const leases = new Gauge({
    name: 'portolan_flannel_leases',
    help: "Entries of flannel's registry by owner: own, foreign, faulty.",
    labelNames: ['cluster', 'owner'] as const,
    registers,
  });
  const leaseSeconds = new Gauge({
    name: 'portolan_flannel_lease_seconds_left',
    help: 'Time until the first lease of our nodes ends unless it is renewed, as far as this process renewed them.',
    labelNames,
    registers,
  });
  const registryWrites = new Counter({
    name: 'portolan_flannel_registry_writes_total',
    help: "Entries of flannel's registry that were written or removed.",
    labelNames,
    registers,
  });
  const registryConflicts = new Counter({
    name: 'portolan_flannel_registry_conflicts_total',
    help: "Writes to flannel's registry that were refused because somebody else was first.",
    labelNames,
    registers,
  });
  // Of kinds and not of objects or nodes: their number must not grow with the cluster.
  const drifted = ['cluster', 'kind'] as const;
  const driftOpen = new Gauge({
    name: 'portolan_drift_open',
    help: 'Objects in kernels that are not as they were applied: missing, unexpected, different; obstructed by a foreign rule.',
    labelNames: drifted,
    registers,
  });
  const driftRepaired = new Counter({ name: 'portolan_drift_repaired_total', help: 'Drift that agents repaired.', labelNames: drifted, registers });
  const repairSeconds = new Histogram({
    name: 'portolan_drift_repair_seconds',
    help: 'Time from when an agent first saw a drift until it was repaired.',
    labelNames,
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300],
    registers,
  });
  const degraded = new Gauge({ name: 'portolan_nodes_degraded', help: 'Nodes of a cluster that keep failing.', labelNames, registers });
  const refusals = new Counter({
    name: 'portolan_refusals_total',
    help: 'Requests that were refused for want of credentials.',
    labelNames: ['reason'] as const,
    registers,
  });
  const reachable = new Gauge({ name: 'portolan_store_reachable', help: '1 when the figures of this page could be read from PostgreSQL.', registers });

  return {
    registry,
    counters: {
      committed: (cluster) => commits.inc({ cluster }),
      refused: (reason) => refusals.inc({ reason }),
      computed: (cluster, count, seconds) => {
        compute.observe({ cluster }, seconds);
        computed.inc({ cluster }, count);
      },
      registryWritten: (cluster, written, refused) => {
        registryWrites.inc({ cluster }, written);
        registryConflicts.inc({ cluster }, refused);
      },
      driftRepaired: (cluster, kind, seconds) => {
        driftRepaired.inc({ cluster, kind });
        repairSeconds.observe({ cluster }, seconds);
      },
    },
    http: new Histogram({
      name: 'portolan_http_request_seconds',
      help: 'Time to answer a request.',
      labelNames: ['method', 'route', 'status'] as const,
      registers,
    }),
    async refresh(ctx) {
      for (const gauge of [revisions, nodes, endpoints, draining, poolSize, poolUsed, poolRetired, leases, leaseSeconds, driftOpen, degraded, outbox, jobs])
        gauge.reset();
      try {
        for (const { name } of await ctx.store.listClusters()) {
          const snapshot = await ctx.store.snapshot(name);
          const status = await statusOf(ctx, snapshot);
          revisions.set({ cluster: name, stage: 'intent' }, status.intentRevision);
          revisions.set({ cluster: name, stage: 'computed' }, status.computedRevision);
          revisions.set({ cluster: name, stage: 'applied' }, status.appliedRevision);
          for (const [state, alive] of Object.entries({ up: true, down: false, unknown: null })) {
            nodes.set({ cluster: name, state }, status.nodes.filter((node) => node.alive === alive).length);
          }
          degraded.set({ cluster: name }, status.nodes.filter((node) => node.degraded !== null).length);
          for (const kind of driftKinds) driftOpen.set({ cluster: name, kind }, 0);
          for (const { kind } of await openDrift(ctx, snapshot)) driftOpen.inc({ cluster: name, kind });
          for (const traffic of traffics) endpoints.set({ cluster: name, traffic }, 0);
          for (const endpoint of snapshot.endpoints.values()) endpoints.inc({ cluster: name, traffic: trafficTo(snapshot, endpoint) });
          if (snapshot.flannel !== null) {
            for (const owner of ['own', 'foreign', 'faulty']) leases.set({ cluster: name, owner }, 0);
            for (const lease of snapshot.flannelLeases.values()) leases.inc({ cluster: name, owner: ownerOf(lease) });
          }
          const renewed = ctx.renewals.oldest(name);
          if (renewed !== undefined) leaseSeconds.set({ cluster: name }, FLANNEL_TTL_SECONDS - (ctx.clock.monotonic() - renewed) / 1000);
          draining.set({ cluster: name }, leavingEndpoints(snapshot).length);
          for (const usage of await poolsOf(ctx, snapshot)) {
            const labels = { cluster: name, pool: usage.pool, name: usage.name };
            poolSize.set(labels, usage.size);
            poolUsed.set(labels, usage.used);
            poolRetired.set(labels, usage.retired);
          }
        }
        const counts = await ctx.store.counts();
        outbox.set(counts.outbox);
        for (const [status, count] of Object.entries(counts.jobs)) jobs.set({ status }, count);
        reachable.set(1);
      } catch {
        // The page itself must answer in an outage: that is when it is read.
        reachable.set(0);
      }
    },
  };
}

function ownerOf({ nodeId, fault }: FlannelLease): string {
  if (fault !== null) return 'faulty';
  return nodeId === null ? 'foreign' : 'own';
}

export function registerMetrics(app: FastifyInstance, ctx: Context, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.http.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
  app.get('/metrics', { schema: { hide: true }, config: { needs: 'viewer' } }, async (request, reply) => {
    const { principal } = request;
    // The figures are of all clusters, with their names.
    if (principal.kind === 'person' && principal.clusters !== null) throw refused(ctx, request, 'cluster');
    await metrics.refresh(ctx);
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
