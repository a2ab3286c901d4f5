import type { Id } from '@portolan/model';
import type { NodeState, ObservedState } from '@portolan/node-state';
import { changesInPlace, type Step } from '@portolan/plan';
import type { Report } from '@portolan/protocol';
import type { Reconciled } from './reconcile.js';
import { endpointsOf, endpointsOfStep, keyOfStep } from './steps.js';

function stepsByEndpoint(steps: readonly Step[]): ReadonlyMap<Id, readonly Step[]> {
  const byEndpoint = new Map<Id, Step[]>();
  for (const step of steps) {
    for (const id of endpointsOfStep(step)) {
      const known = byEndpoint.get(id);
      if (known === undefined) byEndpoint.set(id, [step]);
      else known.push(step);
    }
  }
  return byEndpoint;
}

function keysByEndpoint({ objects }: NodeState): Map<Id, ReadonlySet<string>> {
  const byEndpoint = new Map<Id, Set<string>>();
  for (const { key, space, body } of objects) {
    for (const id of endpointsOf(space, body)) {
      const known = byEndpoint.get(id);
      if (known === undefined) byEndpoint.set(id, new Set([key]));
      else known.add(key);
    }
  }
  return byEndpoint;
}

/** Says of each endpoint of a state whether it may be sent traffic, as far as its kernel is concerned. */
export interface EndpointPresence {
  of(desired: NodeState, done: Pick<Reconciled, 'observed' | 'left'>): Report['endpoints'];
}

/**
 * An endpoint becomes `present` when its namespace is there and everything in it, and the pair that leads there, is as wanted. It does
 * not cease to be so because a change of it fails: what it had still carries its packets, and to take it out of every load balancer
 * for, say, a lock that another program holds would be an outage of our own making. It stays `present` while nothing is lost that it
 * had when it was whole last; what is only not yet as wanted is in the errors of the report, and is tried again. An endpoint of
 * which nothing is known, as after a restart of the agent, had whatever it should have.
 */
export function endpointPresence(): EndpointPresence {
  let whole = new Map<Id, ReadonlySet<string>>();

  function isLost(step: Step, had: ReadonlySet<string> | undefined, observed: ReadonlySet<string>): boolean {
    const key = keyOfStep(step);
    if (step.action === 'delete' || had?.has(key) === false) return false;
    // What is there and only goes with something that is made anew is not gone yet.
    if (step.action === 'create') return !observed.has(key);
    // Damaged, or a pair that leads elsewhere: it carries nothing.
    return step.observed.hash === '' || !changesInPlace(step.observed, step.object.body);
  }

  return {
    of: (desired, { observed, left }) => {
      const lacking = stepsByEndpoint(left);
      const keys = keysByEndpoint(desired);
      const there = lacking.size === 0 ? new Set<string>() : new Set(observed.objects.map(({ key }) => key));
      const presence: Report['endpoints'] = {};
      const wholeNow = new Map<Id, ReadonlySet<string>>();
      for (const id of Object.keys(desired.endpoints)) {
        const had = whole.get(id);
        const lacks = lacking.get(id) ?? [];
        const isPresent = observed.endpoints[id] === 'present' && !lacks.some((step) => isLost(step, had, there));
        presence[id] = isPresent ? 'present' : 'absent';
        const has = lacks.length === 0 ? (keys.get(id) ?? new Set<string>()) : had;
        if (isPresent && has !== undefined) wholeNow.set(id, has);
      }
      whole = wholeNow;
      return presence;
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
  const isAside = (id: Id | undefined): boolean => id !== undefined && presence[id] !== 'present';
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
