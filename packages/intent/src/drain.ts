import { type ClusterSettings, type Drain, type Endpoint, type Id, type Service, type Snapshot, trafficTo } from '@portolan/model';
import { Edit } from './edit.js';
import { existingNoun } from './find.js';
import { deleteNoun } from './nouns.js';
import { withObserved } from './observe.js';

export interface DrainWish {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Until the deadline; by default those of the service, else those of the cluster. */
  readonly seconds?: number | undefined;
  /** Whether the endpoint is deleted when it is drained. */
  readonly removes: boolean;
  readonly version?: number | undefined;
}

/**
 * Lets an endpoint leave: names no longer lead to it and it gets weight 0. One that leaves already keeps its deadline
 * unless `seconds` are given, and is deleted in the end if any of the wishes says so, which is at once when it is
 * drained. Throws `not-found` and `precondition-failed`.
 */
export function drainEndpoint(snapshot: Snapshot, name: string, { now, seconds, removes, version }: DrainWish): Snapshot {
  const endpoint = existingNoun(snapshot, 'endpoint', name, version);
  const { drain } = endpoint;
  if (drain?.drained === true && removes) return deleteNoun(snapshot, 'endpoint', name);
  const service = endpoint.serviceId === null ? undefined : snapshot.services.get(endpoint.serviceId);
  const wanted = startedDrain(drain, {
    revision: snapshot.cluster.revision + 1,
    now,
    seconds: seconds ?? (drain === null ? drainSecondsOf(service, snapshot.cluster.settings) : undefined),
    removes,
  });
  return wanted === drain ? snapshot : withObserved(snapshot, [], [{ ...endpoint, drain: wanted }]);
}

/** The endpoint takes part again. The same snapshot when it does not leave. Throws `not-found` and `precondition-failed`. */
export function cancelDrain(snapshot: Snapshot, name: string, version?: number): Snapshot {
  const endpoint = existingNoun(snapshot, 'endpoint', name, version);
  return endpoint.drain === null ? snapshot : withObserved(snapshot, [], [{ ...endpoint, drain: null }]);
}

/** Notes that these endpoints are drained, and deletes those that are to be removed then. Ids of endpoints that do not leave are ignored. */
export function finishDrains(snapshot: Snapshot, ids: Iterable<Id>): Snapshot {
  const edit = new Edit(snapshot);
  for (const id of ids) {
    const endpoint = snapshot.endpoints.get(id);
    if (endpoint === undefined || endpoint.drain === null) continue;
    if (endpoint.drain.removes) edit.delete('endpoint', id);
    else if (!endpoint.drain.drained) edit.endpoints.set(id, { ...endpoint, drain: { ...endpoint.drain, drained: true } });
  }
  return edit.endpoints.size === 0 ? snapshot : edit.result();
}

/**
 * Deletes an endpoint that nothing is sent to, and lets one that is sent traffic drain first, unless `force`. Throws
 * `not-found` and `precondition-failed`.
 */
export function removeEndpoint(
  snapshot: Snapshot,
  name: string,
  { now, force, version }: { readonly now: number; readonly force: boolean; readonly version?: number | undefined },
): Snapshot {
  const endpoint = existingNoun(snapshot, 'endpoint', name, version);
  if (force || isIdle(snapshot, endpoint)) return deleteNoun(snapshot, 'endpoint', name);
  return drainEndpoint(snapshot, name, { now, removes: true });
}

/** True when the endpoint can go without a loss: it is sent nothing, or it is drained. */
export function isIdle(snapshot: Snapshot, endpoint: Endpoint): boolean {
  return endpoint.drain?.drained === true || trafficTo(snapshot, endpoint) === 'nothing';
}

/** The drain after another wish, the same object when it says the same. Without seconds a drain that goes on keeps its deadline. */
export function startedDrain(
  drain: Drain | null,
  { revision, now, seconds, removes }: { readonly revision: number; readonly now: number; readonly seconds: number | undefined; readonly removes: boolean },
): Drain {
  if (drain === null) return { revision, deadline: now + 1000 * (seconds ?? 0), removes, drained: false };
  const deadline = seconds === undefined ? drain.deadline : now + 1000 * seconds;
  if (deadline === drain.deadline && (drain.removes || !removes)) return drain;
  return { ...drain, deadline, removes: drain.removes || removes };
}

export function drainSecondsOf(service: Pick<Service, 'drainSeconds'> | undefined, settings: ClusterSettings): number {
  return service?.drainSeconds ?? settings.drainSeconds;
}
