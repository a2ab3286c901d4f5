import type { Observation } from '@portolan/kernel';
import type { Id } from '@portolan/model';
import { kindOfKey, type NodeState, type ObjectBody, type ObservedObject, type Space } from '@portolan/node-state';
import { keyOfStep, linkEnds, type Plan, restsOn, type Step } from '@portolan/plan';
import type { Drift, Report } from '@portolan/protocol';
import type { AppliedLedger } from './ledger.js';
import { endpointsOf, endpointsOfStep } from './steps.js';

type Told = NonNullable<Report['drift']>;
type Repaired = Told['repaired'][number];

/** What a comparison of an observation with a state gave. */
type Compared = Pick<Plan, 'steps' | 'waiting'>;

/** Of more entries than these the bodies are left out: whoever empties a kernel makes thousands. */
const MOST_BODIES = 500;

/** Tells what in the kernel is not as it was left, although nothing else is wanted there than before. */
export interface DriftWatch {
  /** What earlier agents left: what they noted as applied, and the state that they accepted last, of which some may be there, too. */
  begin(applied: AppliedLedger | undefined, accepted: NodeState | undefined): void;
  /** Compares an observation, from which `plan` leads to the state. The answer has the keys in drift. */
  seen(desired: NodeState, plan: Compared, observed: Observation): ReadonlySet<string>;
  /** The same of the observation at the end of a run, which what comes is compared with. The answer has what was set right since the last. */
  ended(desired: NodeState, plan: Compared, observed: Observation): readonly Repaired[];
  /** What is to be told: all that is open, and what was repaired and is not known to be told. */
  current(): Told;
  delivered(report: Report): void;
}

/** Of an object that is not known to have been whole: nothing about it is drift. */
const UNSETTLED = '';

export function driftWatch(today: () => number): DriftWatch {
  /** By key the hash that was reached, or UNSETTLED. */
  let reached: ReadonlyMap<string, string> = new Map();
  /** Before the first state was reached nothing is ours for certain. */
  let isKnown = false;
  let open: ReadonlyMap<string, Drift> = new Map();
  let repaired: readonly Repaired[] = [];
  /** Those since the last end of a run. */
  let fresh: Repaired[] = [];
  /** As the last run left them; undefined before the first. */
  let incarnations: Readonly<Record<Id, string>> | undefined;

  /**
   * Whether the namespace is the one that the last run left. The first run of an agent takes it for that when anything of ours is in it: in a
   * new one there is nothing.
   */
  function isSame(id: Id, { incarnations: now, objects }: Observation): boolean {
    if (now[id] === undefined) return false;
    if (incarnations !== undefined) return incarnations[id] === now[id];
    return objects.some(({ space, body, kind }) => kind !== 'sysctl' && endpointsOf(space, body).includes(id));
  }

  function entryOf(step: Step, isWanted: (key: string) => boolean): Omit<Drift, 'since'> | undefined {
    const key = keyOfStep(step);
    const { reason } = step;
    if (step.action === 'delete') {
      const { body } = step.observed;
      // What is only in the way while its endpoint is absent was put there by us.
      if (reached.has(key) || isWanted(key)) return undefined;
      return { key, kind: 'unexpected', reason: 'nobody asks this node for it, and it was not there', ...(body === undefined ? {} : { found: body }) };
    }
    const { object } = step;
    if (reached.get(key) !== object.hash) return undefined;
    if (step.action === 'create') return { key, kind: 'missing', reason, expected: object.body };
    const { body } = step.observed;
    return { key, kind: 'different', reason, expected: object.body, ...(body === undefined ? {} : { found: body }) };
  }

  function differences(desired: NodeState, { steps, waiting }: Compared, observed: Observation): Map<string, Omit<Drift, 'since'>> {
    const found = new Map<string, Omit<Drift, 'since'>>();
    for (const { space, chain, text } of observed.obstructions) {
      const key = `obstructed/${space}/${chain}`;
      const before = found.get(key);
      const texts = before === undefined ? text : `${String(before.found)}\n${text}`;
      found.set(key, { key, kind: 'obstructed', reason: `a foreign rule in ${chain} comes before ours and may swallow their packets`, found: texts });
    }
    if (!isKnown || steps.length === 0) return found;
    const wanted = new Set(desired.objects.map(({ key }) => key));
    const there = new Set(observed.objects.map(({ key }) => key));
    const absentEnds = endsOf(desired, new Set(waiting));
    const same = new Map<Id, boolean>();
    const isSettled = (id: Id): boolean => {
      const known = same.get(id) ?? isSame(id, observed);
      same.set(id, known);
      return known;
    };
    for (const step of steps) {
      // It is there, and goes only with something that is made anew.
      if (step.action === 'create' && there.has(keyOfStep(step))) continue;
      const entry = entryOf(step, (key) => wanted.has(key));
      if (entry === undefined || !endpointsOfStep(step).every(isSettled)) continue;
      const { space, body } = placeOf(step);
      const end = body && restsOn(space, body);
      if (end === undefined || !absentEnds.has(end)) found.set(entry.key, entry);
    }
    return found;
  }

  /** What is open now; what no longer is, was repaired, unless something else is wanted there by now. */
  function note(desired: NodeState, plan: Compared, observed: Observation): ReadonlySet<string> {
    const at = new Date(today()).toISOString();
    const now = differences(desired, plan, observed);
    const closed = [...open.values()].filter(({ key }) => !now.has(key));
    if (closed.length > 0) {
      const hashes = new Map(desired.objects.map(({ key, hash }) => [key, hash]));
      const pending = new Set([...plan.steps.map(keyOfStep), ...plan.waiting]);
      for (const entry of closed) {
        const { key, kind } = entry;
        const isMended = kind === 'obstructed' || (!pending.has(key) && hashes.get(key) === (kind === 'unexpected' ? undefined : reached.get(key)));
        if (isMended) fresh.push({ ...entry, repairedAt: at });
      }
    }
    open = new Map([...now].map(([key, entry]) => [key, { ...entry, since: open.get(key)?.since ?? at }]));
    return new Set([...now.values()].filter(({ kind }) => kind !== 'obstructed').map(({ key }) => key));
  }

  /** What the run has left: of what it could not make the last that was reached. */
  function reachedAfter(desired: NodeState, { steps, waiting }: Compared): ReadonlyMap<string, string> {
    const left = new Set(steps.map(keyOfStep));
    const absent = new Set(waiting);
    const next = new Map<string, string>();
    for (const { key, hash } of desired.objects) next.set(key, absent.has(key) ? UNSETTLED : left.has(key) ? (reached.get(key) ?? UNSETTLED) : hash);
    // Removed in vain: it was ours. What others put there never was.
    for (const key of left) {
      const before = reached.get(key);
      if (!next.has(key) && before !== undefined) next.set(key, before);
    }
    return next;
  }

  return {
    begin: (applied, accepted) => {
      isKnown = applied !== undefined;
      const maybe = (accepted?.objects ?? []).map(({ key }): [string, string] => [key, UNSETTLED]);
      reached = new Map([...maybe, ...Object.entries(applied?.hashes ?? {})]);
    },
    seen: note,
    ended: (desired, plan, observed) => {
      note(desired, plan, observed);
      reached = reachedAfter(desired, plan);
      isKnown = true;
      ({ incarnations } = observed);
      const ended = fresh;
      fresh = [];
      repaired = [...repaired, ...ended];
      return ended;
    },
    current: () => {
      const entries = open.size + repaired.length;
      const cut = <D extends Drift>(entry: D): D => (entries <= MOST_BODIES || entry.kind === 'obstructed' ? entry : withoutBodies(entry));
      return { open: [...open.values()].map(cut), repaired: repaired.map(cut) };
    },
    delivered: ({ drift }) => {
      const told = new Set(drift?.repaired.map(nameOf));
      repaired = repaired.filter((entry) => !told.has(nameOf(entry)));
    },
  };
}

/** Two times of one object differ in when they began. */
function nameOf({ key, since }: Drift): string {
  return `${key} ${since}`;
}

function withoutBodies<D extends Drift>(entry: D): D {
  return { ...entry, expected: undefined, found: undefined };
}

function placeOf(step: Step): { readonly space: Space; readonly body?: ObjectBody | undefined } {
  const object: Pick<ObservedObject, 'space' | 'body'> = step.action === 'delete' ? step.observed : step.object;
  return object;
}

/** Ends of the links with these keys: what is on them went with them. */
function endsOf({ objects }: NodeState, keys: ReadonlySet<string>): ReadonlySet<string> {
  if (keys.size === 0) return new Set();
  return new Set(objects.flatMap(({ key, space, body }) => (keys.has(key) && kindOfKey(key) === 'veth' ? linkEnds(space, body) : [])));
}
