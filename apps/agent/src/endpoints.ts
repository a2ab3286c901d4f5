import type { Id } from '@portolan/model';
import type { NodeState, ObservedState } from '@portolan/node-state';
import { changesInPlace, type Step } from '@portolan/plan';
import type { Report } from '@portolan/protocol';
import type { Reconciled } from './reconcile.js';
import { endpointsOf, endpointsOfStep, keyOfStep } from './steps.js';

function byEndpoint<T>(things: readonly T[], endpoints: (thing: T) => readonly Id[]): ReadonlyMap<Id, readonly T[]> {
  const groups = new Map<Id, T[]>();
  for (const thing of things) {
    for (const id of endpoints(thing)) {
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [thing]);
      else group.push(thing);
    }
  }
  return groups;
}

function isLost(step: Step, had: ReadonlySet<string>, observed: ReadonlySet<string>): boolean {
  const key = keyOfStep(step);
  if (step.action === 'delete' || !had.has(key)) return false;
  // What is there and only goes with something that is made anew is not gone yet.
  if (step.action === 'create') return !observed.has(key);
  // Damaged, or a pair that leads elsewhere: it carries nothing.
  return step.observed.hash === '' || !changesInPlace(step.observed, step.object.body);
}

/** Says of the endpoints of a state whether they may be sent traffic, as far as their kernel is concerned; nothing where it cannot tell. */
export interface EndpointPresence {
  of(desired: NodeState, done: Pick<Reconciled, 'found' | 'observed' | 'left'>): Report['endpoints'];
}

/**
 * An endpoint becomes `present` when its namespace is there and everything in it, and the pair that leads there, is as wanted. It does
 * not cease to be so because a change of it fails: what it had still carries its packets, and to take it out of every load balancer
 * for, say, a lock that another program holds would be an outage of our own making. It stays `present` while nothing is lost that it
 * had when it was whole last; what is only not yet as wanted is in the errors of the report, and is tried again.
 *
 * After a restart nothing is known of what an endpoint had. One in which something of ours is found, but not all can be made, may have
 * been whole for an earlier agent or not: nothing is said of it, and what the control plane holds stays.
 */
export function endpointPresence(): EndpointPresence {
  /** What each had when it was whole last; nothing of those that are absent. */
  let known: ReadonlyMap<Id, ReadonlySet<string> | undefined> = new Map();

  return {
    of: (desired, { found, observed, left }) => {
      const lacking = byEndpoint(left, endpointsOfStep);
      const wanted = byEndpoint(desired.objects, ({ space, body }) => endpointsOf(space, body));
      const keysOf = (id: Id): ReadonlySet<string> => new Set(wanted.get(id)?.map(({ key }) => key));
      const there = lacking.size === 0 ? new Set<string>() : new Set(observed.objects.map(({ key }) => key));
      /** Whether an earlier agent has left something of the endpoint. */
      const isFound = (id: Id): boolean => {
        const keys = keysOf(id);
        return found.objects.some(({ key }) => keys.has(key));
      };
      const knownNow = new Map<Id, ReadonlySet<string> | undefined>();
      for (const id of Object.keys(desired.endpoints)) {
        const isThere = observed.endpoints[id] === 'present';
        const lacks = lacking.get(id) ?? [];
        const had = lacks.length === 0 ? keysOf(id) : known.get(id);
        if (isThere && had !== undefined && !lacks.some((step) => isLost(step, had, there))) knownNow.set(id, had);
        else if (!isThere || known.has(id) || !isFound(id)) knownNow.set(id, undefined);
      }
      known = knownNow;
      return Object.fromEntries([...knownNow].map(([id, had]) => [id, had === undefined ? 'absent' : 'present']));
    },
  };
}

/** What became of a run, with what concerns absent endpoints alone set aside. */
export interface Settled {
  /** What stands between the node and its state. */
  readonly problems: Reconciled['problems'];
  /** What stands in the way of endpoints that are absent. */
  readonly setAside: Reconciled['problems'];
  /** Keys that wait for a namespace, and those that could not be made in one. */
  readonly waiting: readonly string[];
}

/**
 * An endpoint that cannot be attached is treated as one whose namespace is not there: it is absent and its objects wait. The node
 * itself has reached its state: otherwise one broken container would keep every drain of the cluster from being acknowledged.
 */
export function settled({ problems, waiting, left }: Pick<Reconciled, 'problems' | 'waiting' | 'left'>, presence: Report['endpoints']): Settled {
  const isAside = (id: Id | undefined): boolean => id !== undefined && presence[id] === 'absent';
  const setAside = problems.filter(({ endpoint }) => isAside(endpoint));
  const failing = new Set(setAside.map(({ endpoint }) => endpoint));
  const held = left.filter((step) => endpointsOfStep(step).some((id) => failing.has(id))).map(keyOfStep);
  return { problems: problems.filter(({ endpoint }) => !isAside(endpoint)), setAside, waiting: [...new Set([...waiting, ...held])] };
}

/** Endpoints of earlier states in whose namespaces nothing of ours is left, or that are gone. */
export function cleanEndpoints(retiring: NodeState['endpoints'], observed: ObservedState): readonly string[] {
  const dirty = new Set(observed.objects.filter(({ kind }) => kind !== 'sysctl').map(({ space }) => space));
  return Object.keys(retiring).filter((id) => !dirty.has(`endpoint:${id}`));
}
