import { computeNodeState } from '@portolan/compute';
import { type Id, type Snapshot, trafficTo } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import { statusOf } from '../../apps/control-plane/src/application/status.js';
import type { SimulatedHost } from './host.js';
import type { People } from './people.js';
import { Violation } from './violation.js';
import { unreachableVips } from './walk.js';
import type { World } from './world.js';

/** The snapshot as a store would read it anew: nothing that was remembered of the other one is found by this. */
function afresh(snapshot: Snapshot): Snapshot {
  return structuredClone(snapshot);
}

function hostsOf({ hosts }: World, { nodes }: Snapshot): readonly (readonly [host: SimulatedHost, nodeId: Id])[] {
  return hosts.flatMap((host) => {
    const node = [...nodes.values()].find(({ name }) => name === host.name);
    return node === undefined ? [] : [[host, node.id] as const];
  });
}

/** What is in a kernel that its state does not want; sysctls stay as they are when nobody wants them any more. */
function excess(host: SimulatedHost, state: NodeState): readonly string[] {
  const wanted = new Set(state.objects.map(({ key }) => key));
  return [...host.everything().keys()].filter((key) => !wanted.has(key) && !key.startsWith('sysctl/'));
}

/** What is not yet as it must be when nothing has gone wrong for a while. */
export async function unrest(world: World): Promise<readonly Violation[]> {
  const { store, cluster, planes, truth } = world;
  const [plane] = planes;
  const snapshot = await store.snapshot(cluster);
  const found: Violation[] = [];
  const expect = (holds: boolean, invariant: string, detail: () => string): void => {
    if (!holds) found.push(new Violation(invariant, detail()));
  };

  for (const { name, condition } of snapshot.nodes.values()) expect(condition === 'up', 'every host is up', () => `${name} is ${condition}`);
  for (const { name, drain } of snapshot.endpoints.values()) expect(drain === null || drain.drained, 'every drain ends', () => `${name} drains still`);
  for (const { name, presence, health, serviceId, addresses } of snapshot.endpoints.values()) {
    const isProbed = presence === 'present' && addresses.length > 0 && serviceId !== null && snapshot.services.get(serviceId)?.healthCheck != null;
    expect(!isProbed || health === 'healthy', 'every container that answers is healthy', () => `${name} is ${health}`);
  }
  expect(world.comingContainers === 0, 'every container is there', () => `${world.comingContainers} are not`);
  const { outbox } = await store.counts();
  expect(outbox === 0, 'the outbox is emptied', () => `${outbox} messages are left`);
  if (plane !== undefined) {
    const { nodes, intentRevision } = await statusOf({ ...plane.ctx, store }, snapshot);
    for (const { name, computedRevision, appliedRevision, lastStatus, lastErrors } of nodes) {
      const stands = (): string =>
        `${name} has computed ${computedRevision} and applied ${appliedRevision} of ${intentRevision}, ${lastStatus}: ${JSON.stringify(lastErrors.slice(0, 2))}`;
      expect(
        computedRevision === intentRevision && appliedRevision === intentRevision && lastStatus === 'applied',
        'every node applies the newest revision',
        stands,
      );
    }
  }
  if (found.length > 0) return found;

  const fresh = afresh(snapshot);
  for (const [host, nodeId] of hostsOf(world, snapshot)) {
    const state = computeNodeState(fresh, nodeId);
    const saved = await store.nodeState(nodeId);
    // What was computed for a rollout also has the VIPs that were to be dialled.
    const whole = [state.hash, computeNodeState(fresh, nodeId, { dialsVips: true }).hash];
    expect(
      whole.includes(saved?.state.hash ?? ''),
      'incremental result = full recompute',
      () => `state of ${host.name} at revision ${snapshot.cluster.revision}`,
    );
    const lacking = host.lacking(state);
    expect(lacking.length === 0, 'every kernel equals its newest state', () => `${host.name} lacks ${lacking.slice(0, 5).join(', ')}`);
    const more = excess(host, state);
    expect(more.length === 0, 'every kernel equals its newest state', () => `${host.name} has more: ${more.slice(0, 5).join(', ')}`);
    for (const { id, name, presence } of [...snapshot.endpoints.values()].filter((endpoint) => endpoint.nodeId === nodeId)) {
      expect(presence === (host.absent.has(id) ? 'absent' : 'present'), 'presence is as it is', () => `${name} counts as ${presence}`);
    }
  }
  for (const { id, nodeId, generation } of await store.jobs(snapshot.cluster.id, { limit: 1000 })) {
    expect(truth.isPublished(id), 'every outbox row reaches the queue', () => `generation ${generation} of ${snapshot.nodes.get(nodeId)?.name} was never told`);
  }
  for (const line of unreachableVips(world, snapshot)) found.push(new Violation('a VIP with a ready endpoint is reachable', line));
  return found;
}

/** What must hold for good, once everything is at rest. */
export async function broken(world: World, people: People): Promise<readonly Violation[]> {
  const found: Violation[] = [];
  const rows = await world.store.revisions(world.cluster, { limit: 100_000 });
  const { revision } = (await world.store.snapshot(world.cluster)).cluster;
  if (rows.length !== revision || rows.some((row, i) => row.revision !== revision - i))
    found.push(new Violation('revisions have no gaps', `${rows.length} rows at revision ${revision}`));
  for (const { actor, what, outcome } of people.asks) {
    const own = rows.filter((row) => row.actor === actor);
    if (own.length > 1) found.push(new Violation('no change is made twice', `${what}: revisions ${own.map((row) => row.revision).join(', ')}`));
    if (outcome === 'refused' && own.length > 0) found.push(new Violation('a refused change is not made', what));
    if (typeof outcome !== 'object') continue;
    const isThere = own.some((row) => row.revision === outcome.revision);
    if (outcome.changed && !isThere) found.push(new Violation('no acknowledged change is lost', `${what} was acknowledged as revision ${outcome.revision}`));
  }
  for (const host of world.hosts) {
    for (const [key, value] of host.foreignAtFirst)
      if (host.foreign.get(key) !== value) found.push(new Violation('nothing foreign is touched', `${key} on ${host.name}`));
  }
  return found;
}

/** Whether somebody is to be served by an endpoint now. */
export function isReady(snapshot: Snapshot, id: Id): boolean {
  const endpoint = snapshot.endpoints.get(id);
  return endpoint !== undefined && endpoint.weight > 0 && trafficTo(snapshot, endpoint) === 'all';
}
