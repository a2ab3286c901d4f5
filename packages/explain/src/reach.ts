import type { Endpoint, PublishedPort, Service, Snapshot } from '@portolan/model';
import { explanationOf } from './explain.js';
import type { FlowChange, Outcome, Question, Reached } from './explanation.js';
import type { World } from './world.js';

/** Where a service says nothing of ports. */
const USUAL_PORT = 80;

/** Only flows whose client and destination begin so. */
export interface ReachFilter {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/**
 * Every client × everything that it may reach: endpoints × the services of their networks by name, clients outside × the published ports of each
 * node, and pods × the other pods of flannel's network, one on each node. Each is walked when it is asked for.
 */
export function* reachOf(world: World, filter: ReachFilter = {}): Generator<Reached> {
  for (const question of questionsOf(world.snapshot, filter)) {
    const { verdict, paths } = explanationOf(world, question);
    const delivered = paths.filter((path) => path.verdict.outcome === 'delivered');
    yield {
      ...{ from: question.from, to: question.to, node: question.node ?? null, outcome: verdict.outcome, reason: verdict.reason },
      ...{ delivered: delivered.length, paths: paths.length, backends: delivered.flatMap(({ backend }) => backend ?? []).toSorted() },
    };
  }
}

function* questionsOf(snapshot: Snapshot, { from = '', to = '' }: ReachFilter): Generator<Question> {
  const isMeant = (question: Question): boolean => question.from.startsWith(from) && question.to.startsWith(to);
  for (const endpoint of snapshot.endpoints.values()) {
    for (const target of targetsOf(snapshot, endpoint)) {
      const question = { from: `endpoint:${endpoint.name}`, to: target };
      if (isMeant(question)) yield question;
    }
  }
  for (const { name: node } of snapshot.nodes.values()) {
    for (const service of snapshot.services.values()) {
      for (const { published, protocol } of service.ports.filter(isWalked)) {
        const question = { from: 'outside', to: `${service.name}:${published}/${protocol}`, node };
        if (isMeant(question)) yield question;
      }
    }
  }
}

/** SCTP is not walked. */
function isWalked({ protocol }: PublishedPort): boolean {
  return protocol !== 'sctp';
}

function targetsOf(snapshot: Snapshot, endpoint: Endpoint): readonly string[] {
  const own = new Set(endpoint.addresses.map(({ networkId }) => networkId));
  const isNear = ({ networks }: Service): boolean => networks.some(({ networkId }) => own.has(networkId) && snapshot.networks.get(networkId)?.ingress !== true);
  const services = [...snapshot.services.values()].filter(isNear).flatMap(({ name, ports }) => {
    const walked = ports.filter(isWalked);
    return walked.length === 0 ? [`${name}:${USUAL_PORT}/tcp`] : [...new Set(walked.map(({ target, protocol }) => `${name}:${target}/${protocol}`))];
  });
  return [...services, ...podsFor(snapshot, endpoint)];
}

/** Another pod of each node: what is true for one of them is for all. */
function podsFor(snapshot: Snapshot, endpoint: Endpoint): readonly string[] {
  if (endpoint.flannel?.address == null) return [];
  const byNode = new Map<string, string>();
  for (const { id, name, nodeId, flannel } of snapshot.endpoints.values()) if (id !== endpoint.id && flannel?.address != null) byNode.set(nodeId, name);
  return [...byNode.values()].map((name) => `endpoint:${name}/icmp`);
}

/** Flows that are other in one world than in another: what a plan would change. */
export function flowChanges(before: World, after: World): readonly FlowChange[] {
  const flowOf = ({ from, to, node }: Reached): string => JSON.stringify([from, to, node]);
  const earlier = new Map([...reachOf(before)].map((flow) => [flowOf(flow), flow]));
  const changes: FlowChange[] = [];
  for (const now of reachOf(after)) {
    const was = earlier.get(flowOf(now));
    earlier.delete(flowOf(now));
    const change = changeOf(was, now);
    if (change !== undefined) changes.push(change);
  }
  for (const was of earlier.values())
    changes.push({ ...sides(was), before: was.outcome, after: null, gained: [], lost: was.backends, text: 'there is no such flow any more' });
  return changes;
}

function sides({ from, to, node }: Reached): Pick<FlowChange, 'from' | 'to' | 'node'> {
  return { from, to, node };
}

function changeOf(was: Reached | undefined, now: Reached): FlowChange | undefined {
  if (was === undefined) return { ...sides(now), before: null, after: now.outcome, gained: now.backends, lost: [], text: `new: ${now.reason}` };
  const gained = now.backends.filter((name) => !was.backends.includes(name));
  const lost = was.backends.filter((name) => !now.backends.includes(name));
  if (was.outcome === now.outcome && gained.length === 0 && lost.length === 0) return undefined;
  return { ...sides(now), before: was.outcome, after: now.outcome, gained, lost, text: textOf(was.outcome, now, gained, lost) };
}

function textOf(before: Outcome, now: Reached, gained: readonly string[], lost: readonly string[]): string {
  if (before !== now.outcome) return `${before} before; then ${now.outcome}: ${now.reason}`;
  const moves = [...(gained.length === 0 ? [] : [`gains ${gained.join(', ')}`]), ...(lost.length === 0 ? [] : [`loses ${lost.join(', ')}`])];
  return moves.join('; ');
}
