import { type Endpoint, type Id, PortolanError, portolanError, problem, type Snapshot } from '@portolan/model';
import { isByAgent } from './actor.js';
import type { Context } from './context.js';
import type { NodeError } from './degraded.js';
import { acknowledgementOf, connectionsOf, progressByNode } from './drains.js';
import { unsettledFlannel } from './flannel-progress.js';
import { type ClusterStatus, type NodeStatus, statusOf } from './status.js';

export const DEFAULT_WAIT_SECONDS = 30;
export const LONGEST_WAIT_SECONDS = 600;
/** What another process of the control plane took in is found after at most this many milliseconds. */
const REREAD_MS = 1000;
/** Nodes that a time-out names one by one. */
const MOST_NAMED = 50;
/** Newest revisions that are searched for what agents saw since the one that is waited for. */
const REVISIONS_SEARCHED = 100;
/** Characters of what a failed process wrote that a reason repeats; the job has all of it. */
const STDERR_SHOWN = 300;

type Look<T> = { readonly done: T } | { readonly late: () => PortolanError };

/**
 * Looks again after each movement of the cluster until it is done. Fails with what `late` says when the time is over or the caller is
 * gone, and with `store-unavailable` when the control plane stops.
 */
export async function waitUntil<T>(ctx: Context, cluster: string, timeoutSeconds: number, gone: AbortSignal, look: () => Promise<Look<T>>): Promise<T> {
  const end = ctx.clock.now().getTime() + timeoutSeconds * 1000;
  const ended = AbortSignal.any([gone, ctx.stopping]);
  for (;;) {
    const count = ctx.changes.count(cluster);
    const start = ctx.clock.now().getTime();
    const seen = await look();
    if ('done' in seen) return seen.done;
    const now = ctx.clock.now().getTime();
    if (now >= end) throw seen.late();
    if (ctx.stopping.aborted) throw portolanError('store-unavailable', '', 'the control plane is stopping; the revision is committed', { fix: 'Wait again.' });
    if (gone.aborted) throw seen.late();
    await ctx.changes.beyond(cluster, count, Math.min(REREAD_MS, end - now), ended);
    // Many nodes report at the same time: whoever waits reads at most half of its time.
    await ctx.clock.sleep(Math.min(now - start, Math.max(0, end - now)), ended);
  }
}

/**
 * Resolves when every node of the cluster has applied the revision and what agents saw on account of it: an endpoint that is new is
 * sent traffic only when its node has seen it, which is a later revision. Whether it is healthy is not waited for. A change of the
 * flannel network is applied when every node that takes part has its lease, and all have applied the leases; of the newest revision
 * (`revision` undefined) that is waited for in any case. Fails with `wait-timeout`, naming the nodes that have not and why, with `not-found` when the cluster goes, and with `store-unavailable`
 * when the control plane stops.
 */
export async function waitApplied(
  ctx: Context,
  cluster: string,
  wanted: number | undefined,
  timeoutSeconds: number,
  gone: AbortSignal,
): Promise<ClusterStatus> {
  const first = await ctx.store.snapshot(cluster);
  const revision = wanted ?? first.cluster.revision;
  if (first.cluster.revision < revision) {
    throw portolanError('invalid-document', '?revision', `cluster ${cluster} is at revision ${first.cluster.revision}: there is no revision ${revision} yet`);
  }
  const unseen = new Set([...first.endpoints.values()].filter((endpoint) => isUnseen(endpoint)).map(({ id }) => id));
  let target = await newestSeen(ctx, first, revision);
  let settlesFlannel = wanted === undefined || (await changesFlannel(ctx, first, revision));
  return waitUntil(ctx, cluster, timeoutSeconds, gone, async () => {
    const snapshot = await ctx.store.snapshot(cluster);
    for (const id of unseen) {
      const endpoint = snapshot.endpoints.get(id);
      if (endpoint !== undefined && isUnseen(endpoint)) continue;
      unseen.delete(id);
      target = Math.max(target, snapshot.cluster.revision);
    }
    const status = await statusOf(ctx, snapshot);
    const applied = new Map(status.nodes.map((node) => [node.id, node]));
    const unsettled = settlesFlannel ? unsettledFlannel(snapshot, ctx.registryViews.of(cluster), applied) : [];
    if (settlesFlannel && unsettled.length === 0) {
      settlesFlannel = false;
      target = Math.max(target, snapshot.flannel?.leasesRevision ?? 0);
    }
    const behind = status.nodes.filter((node) => node.appliedRevision < target);
    const awaited = awaitedOf(snapshot, status, unseen);
    if (behind.length === 0 && awaited.length + unsettled.length === 0) return { done: status };
    return { late: () => timedOut(status, revision, { target, behind, awaited, unsettled }, timeoutSeconds) };
  });
}

function isUnseen({ presence, drain }: Endpoint): boolean {
  return presence === 'unknown' && drain === null;
}

/** The revision itself, or the newest that agents made since by what they saw. */
async function newestSeen(ctx: Context, { cluster }: Snapshot, revision: number): Promise<number> {
  if (cluster.revision === revision) return revision;
  const rows = await ctx.store.revisions(cluster.name, { limit: REVISIONS_SEARCHED });
  return Math.max(revision, ...rows.filter(isByAgent).map((row) => row.revision));
}

/** Whether the revision was one of the flannel network: its leases follow from it. */
async function changesFlannel(ctx: Context, { cluster, flannel }: Snapshot, revision: number): Promise<boolean> {
  if (flannel === null) return false;
  const [row] = await ctx.store.revisions(cluster.name, { limit: 1, before: revision + 1 });
  return row !== undefined && row.revision === revision && row.changes.some(({ kind }) => kind === 'flannel');
}

/** Endpoints that nobody has looked at yet, on nodes whose agents will. */
function awaitedOf(snapshot: Snapshot, status: ClusterStatus, unseen: ReadonlySet<Id>): readonly string[] {
  if (unseen.size === 0) return [];
  const up = new Map(status.nodes.filter((node) => node.alive ?? snapshot.nodes.get(node.id)?.condition === 'up').map(({ id, name }) => [id, name]));
  return [...unseen].flatMap((id) => {
    const endpoint = snapshot.endpoints.get(id);
    const node = endpoint === undefined ? undefined : up.get(endpoint.nodeId);
    return endpoint === undefined || node === undefined ? [] : [`${endpoint.name} has not been seen by ${node} yet`];
  });
}

interface Lacking {
  readonly target: number;
  readonly behind: readonly NodeStatus[];
  readonly awaited: readonly string[];
  readonly unsettled: readonly string[];
}

function timedOut(status: ClusterStatus, revision: number, { target, behind, awaited, unsettled }: Lacking, seconds: number): PortolanError {
  const reasons = [...behind.map((node) => `${node.name} ${reasonOf(node, target)}`), ...awaited, ...unsettled];
  const named = reasons.slice(0, MOST_NAMED).join('; ');
  const more = reasons.length > MOST_NAMED ? `; and ${reasons.length - MOST_NAMED} more` : '';
  const short = [
    ...(behind.length === 0 ? [] : [`${behind.length} of ${status.nodes.length} nodes have not applied it within ${seconds} s`]),
    ...(awaited.length === 0 ? [] : [`${awaited.length} endpoints have not been seen within ${seconds} s`]),
    ...(unsettled.length === 0 ? [] : [`flannel is not settled within ${seconds} s`]),
  ].join(', and ');
  const summary = `revision ${revision} is committed, but ${short}: ${named}${more}`;
  return new PortolanError([problem('wait-timeout', '', summary), ...reasons.slice(0, MOST_NAMED).map((reason) => problem('wait-timeout', '', reason))]);
}

function reasonOf(node: NodeStatus, revision: number): string {
  const down = node.alive === false ? ' and is down' : '';
  if (node.computedRevision < revision) return `has no state computed from it yet (computed: ${node.computedRevision})${down}`;
  if (node.lastReportAt === null) return `has never reported${down}`;
  const error = node.lastErrors[0];
  if (node.lastStatus === 'failed' && error !== undefined) return `${failedText(node)}: ${error.message} [${error.code}]${commandText(error)}${down}`;
  const said = error === undefined ? '' : `, says: ${error.message} [${error.code}]`;
  return `has applied revision ${node.appliedRevision}, last report at ${node.lastReportAt}${said}${down}`;
}

function failedText({ degraded }: NodeStatus): string {
  return degraded === null ? 'failed' : `is degraded, failed ${degraded.failures} times in a row since ${degraded.since}`;
}

function commandText({ command }: NodeError): string {
  if (command === undefined) return '';
  const text = command.stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
  const said = text === '' ? '' : `: ${text.length > STDERR_SHOWN ? `${text.slice(0, STDERR_SHOWN)}…` : text}`;
  return ` (${command.command} ended with ${command.exitCode}${said})`;
}

/**
 * Resolves when it is safe to stop the endpoint: it is drained, or deleted and no node that is up sends it anything. `endpoint`: as
 * it was when `revision` was committed. Fails with `not-drained`, naming the nodes that have not acknowledged and the connections
 * that are left, also when the drain is cancelled meanwhile.
 */
export async function waitDrained(
  ctx: Context,
  cluster: string,
  endpoint: Endpoint,
  revision: number,
  timeoutSeconds: number,
  gone: AbortSignal,
): Promise<Snapshot> {
  return waitUntil(ctx, cluster, timeoutSeconds, gone, async () => {
    const snapshot = await ctx.store.snapshot(cluster);
    const current = snapshot.endpoints.get(endpoint.id);
    if (current?.drain?.drained === true) return { done: snapshot };
    if (current !== undefined && current.drain === null) throw portolanError('not-drained', '', `the drain of ${endpoint.name} was cancelled`);
    const progress = progressByNode(await ctx.store.progress(snapshot.cluster.id));
    const { pending, silent } = acknowledgementOf(snapshot, endpoint, current?.drain?.revision ?? revision, progress);
    if (current === undefined && pending.length === 0) return { done: snapshot };
    const connections = current === undefined ? 0 : connectionsOf(snapshot, current, progress);
    return { late: () => notDrained(endpoint.name, pending, silent, connections, timeoutSeconds) };
  });
}

function notDrained(name: string, pending: readonly string[], silent: readonly string[], connections: number | null, seconds: number): PortolanError {
  const nodes = [...pending.map((node) => `${node} has not acknowledged it`), ...silent.map((node) => `${node} is silent and may still send to it`)];
  const left = connections === null ? ['its connections are not counted yet'] : connections === 0 ? [] : [`${connections} connections are left`];
  const more = nodes.length > MOST_NAMED ? [`and ${nodes.length - MOST_NAMED} more`] : [];
  const reasons = [...nodes.slice(0, MOST_NAMED), ...more, ...left];
  const summary = `${name} is not drained within ${seconds} s${reasons.length === 0 ? '' : `: ${reasons.join('; ')}`}`;
  return new PortolanError([problem('not-drained', '', summary), ...reasons.map((reason) => problem('not-drained', '', reason))]);
}
