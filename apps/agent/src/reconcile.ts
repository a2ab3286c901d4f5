import { type AppliedBatch, type Blame, carryOut, type Kernel, type Observation, requestOf, type Written, writtenBy } from '@portolan/kernel';
import { type Id, type Problem, problem } from '@portolan/model';
import type { NodeState, ObservedState, Space } from '@portolan/node-state';
import { asFound, diffNodeState, type Plan, type Step } from '@portolan/plan';
import { withheld } from './policy.js';
import { endpointOfSpace, endpointsOfStep, keyOfStep } from './steps.js';

/** What was done to bring the kernel to a state, and how it looks now. */
export interface Reconciled {
  /** The steps of every plan that was carried out, as far as they were begun. */
  readonly steps: readonly Step[];
  /** What was there before anything was done. */
  readonly found: ObservedState;
  /** Steps that are left: what they are about is not as it should be. */
  readonly left: readonly Step[];
  /** Keys that wait for a namespace that is absent. */
  readonly waiting: readonly string[];
  readonly applied: readonly AppliedBatch[];
  readonly observed: Observation;
  /** What stands between the kernel and the state; empty when it is reached, but for drift that is left by policy. */
  readonly problems: readonly KernelProblem[];
}

export interface KernelProblem extends Problem {
  readonly key?: string;
  /** The endpoint that alone is concerned. */
  readonly endpoint?: Id;
  /** The process that failed. */
  readonly command?: { readonly command: string; readonly exitCode: number; readonly stderr: string };
}

/**
 * all: everything is read. trusted: a plan is first made from the last observation and from what the kernel itself doubts of it; where that
 * leads nowhere, or nothing is to be done by it, everything is read. doubted: only what is doubted is read.
 */
export type Reading = 'all' | 'trusted' | 'doubted';

export interface ReconcileOptions {
  readonly reading: Reading;
  /** Doubted, whatever the kernel says; nothing unless given. */
  readonly doubts?: Written;
  /** Told of each observation that a plan is made from, before anything is done; the answer has the keys that are in drift. */
  readonly onPlan?: (plan: Plan, observed: Observation) => ReadonlySet<string>;
}

/** Of many objects that are not there after an apply, so many are named. */
const NAMED = 20;

function failureOf({ key, ran, said }: Blame): KernelProblem {
  const { batch, command, exitCode, stderr } = ran;
  const words = said.split('\n').slice(-5).join(' | ');
  const endpoint = endpointOfSpace(batch.space);
  return {
    ...problem('apply-failed', '', `${batch.space}: ${command}: ${words}`),
    ...(key === undefined ? {} : { key }),
    ...(endpoint === undefined ? {} : { endpoint }),
    // Of a batch in which many lines failed each error has its own.
    command: { command, exitCode, stderr: (ran.stop?.failed.length ?? 0) > 1 ? said : stderr },
  };
}

function differenceOf(step: Step): KernelProblem {
  const [endpoint] = endpointsOfStep(step);
  const key = keyOfStep(step);
  return {
    ...problem('apply-failed', '', `${key} is not as it should be, though every command succeeded: ${step.reason}`),
    key,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** What failed, and what is not there after all although nothing failed that it depends on. */
function problemsOf(failures: readonly KernelProblem[], left: readonly Step[]): readonly KernelProblem[] {
  const failed = new Set(failures.map(({ endpoint }) => endpoint).filter((endpoint) => endpoint !== undefined));
  const differences = left.filter((step) => !endpointsOfStep(step).some((id) => failed.has(id)));
  const rest = failures.length - NAMED;
  const more = rest > 0 ? [problem('apply-failed', '', `${rest} more objects failed`)] : [];
  return [...failures.slice(0, NAMED), ...more, ...differences.slice(0, NAMED).map(differenceOf)];
}

/** All steps, unless a batch failed: then those that some batch was for. */
function begunSteps(steps: readonly Step[], applied: readonly AppliedBatch[]): readonly Step[] {
  if (applied.every(({ exitCode }) => exitCode === 0)) return steps;
  const reached = new Set(applied.flatMap(({ batch }) => batch.keys));
  return steps.filter((step) => reached.has(keyOfStep(step)));
}

function isGone(space: Space, { endpoints }: ObservedState): boolean {
  const id = endpointOfSpace(space);
  return id !== undefined && endpoints[id] !== 'present';
}

/** A kernel, a state for it, and the endpoints to look at, which are more than those of the state. */
interface Target {
  readonly kernel: Kernel;
  readonly desired: NodeState;
  readonly observe: (written?: Written) => Promise<Observation>;
  readonly onPlan: NonNullable<ReconcileOptions['onPlan']>;
}

async function reach({ kernel, desired, observe, onPlan }: Target, before: Observation): Promise<Reconciled> {
  const whole = diffNodeState(before, desired);
  const drifted = onPlan(whole, before);
  const alone = desired.watch.driftPolicy === 'report' ? withheld(before, desired, drifted) : new Set<string>();
  const target = asFound(before, desired, alone);
  const plan = alone.size === 0 ? whole : diffNodeState(target.observed, target.desired);
  const { steps } = plan;
  if (steps.length === 0) return { steps, found: before, left: whole.steps, waiting: whole.waiting, applied: [], observed: before, problems: [] };
  const { applied, blames, aside } = await carryOut({ kernel, target, plan, alone, observe });
  const hasFailed = applied.some(({ exitCode }) => exitCode !== 0);
  const observed = await observe(hasFailed ? undefined : writtenBy(steps));
  const after = diffNodeState(observed, desired);
  const left = new Set(after.steps.map(keyOfStep));
  // What failed because its endpoint ended meanwhile is no problem: it waits. Nor is what is there all the same.
  const failures = blames
    .filter(({ key, ran }) => !isGone(ran.batch.space, observed) && (key === undefined || left.has(key) || after.waiting.includes(key)))
    .map(failureOf);
  const besides = new Set([...alone, ...aside]);
  return {
    steps: begunSteps(steps, applied),
    found: before,
    left: after.steps,
    waiting: after.waiting,
    applied,
    observed,
    problems: problemsOf(failures, besides.size === 0 ? after.steps : stepsBesides(observed, desired, besides)),
  };
}

/** What is left when these are taken for what they are. */
function stepsBesides(observed: Observation, desired: NodeState, keys: ReadonlySet<string>): readonly Step[] {
  const found = asFound(observed, desired, keys);
  return diffNodeState(found.observed, found.desired).steps;
}

function joined(a: Written, b: Written): Written {
  return new Map([...new Set([...a.keys(), ...b.keys()])].map((space) => [space, new Set([...(a.get(space) ?? []), ...(b.get(space) ?? [])])]));
}

/**
 * Observe, plan, apply, observe what was written. Each part takes nothing from a run before, so a restart in the
 * middle of any of them is the same as a first start.
 */
export async function reconcile(
  kernel: Kernel,
  desired: NodeState,
  endpoints: NodeState['endpoints'],
  { reading, doubts = new Map(), onPlan = () => new Set() }: ReconcileOptions,
): Promise<Reconciled> {
  const request = requestOf(desired, endpoints);
  const target: Target = { kernel, desired, onPlan, observe: (written) => kernel.observe({ ...request, ...(written === undefined ? {} : { written }) }) };
  const first = reading === 'all' ? undefined : await reach(target, await target.observe(joined(kernel.doubts(), doubts)));
  if (first !== undefined && first.problems.length === 0 && (reading === 'doubted' || first.applied.length > 0)) return first;
  // After a failure everything has been observed already.
  const hasLooked = first?.applied.some(({ exitCode }) => exitCode !== 0) === true;
  const whole = await reach(target, first !== undefined && hasLooked ? first.observed : await target.observe());
  return first === undefined ? whole : { ...whole, found: first.found, steps: [...first.steps, ...whole.steps], applied: [...first.applied, ...whole.applied] };
}
