import { type AppliedBatch, type Kernel, type Observation, requestOf, type Written, writtenBy } from '@portolan/kernel';
import { type Id, type Problem, problem } from '@portolan/model';
import type { NodeState, ObservedState, Space } from '@portolan/node-state';
import { diffNodeState, type Step } from '@portolan/plan';
import { renderPlan } from '@portolan/render';
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
  /** What stands between the kernel and the state; empty when it is reached. */
  readonly problems: readonly KernelProblem[];
}

export interface KernelProblem extends Problem {
  readonly key?: string;
  /** The endpoint that alone is concerned. */
  readonly endpoint?: Id;
}

/** Of many objects that are not there after an apply, so many are named. */
const NAMED = 20;

function concerning(endpoint: Id | undefined, found: Problem, key: string | undefined): KernelProblem {
  return { ...found, ...(key === undefined ? {} : { key }), ...(endpoint === undefined ? {} : { endpoint }) };
}

function failureOf({ batch, command, stderr, exitCode }: AppliedBatch): KernelProblem {
  const [key] = batch.keys;
  const said = stderr.trim().split('\n').slice(-5).join(' | ') || `exit code ${exitCode}`;
  return concerning(endpointOfSpace(batch.space), problem('apply-failed', '', `${batch.space}: ${command}: ${said}`), batch.keys.length > 1 ? undefined : key);
}

function differenceOf(step: Step): KernelProblem {
  const key = keyOfStep(step);
  return concerning(
    endpointsOfStep(step)[0],
    problem('apply-failed', '', `${key} is not as it should be, though every command succeeded: ${step.reason}`),
    key,
  );
}

/** What failed, and what is not there after all although nothing failed that it depends on. */
function problemsOf(failures: readonly KernelProblem[], left: readonly Step[]): readonly KernelProblem[] {
  // Behind a failure outside the endpoints nothing was done any more.
  if (failures.some(({ endpoint }) => endpoint === undefined)) return failures;
  const failed = new Set(failures.map(({ endpoint }) => endpoint));
  const differences = left.filter((step) => !endpointsOfStep(step).some((id) => failed.has(id)));
  return [...failures, ...differences.slice(0, NAMED).map(differenceOf)];
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
}

async function reach({ kernel, desired, observe }: Target, before: Observation): Promise<Reconciled> {
  const { steps, waiting } = diffNodeState(before, desired);
  if (steps.length === 0) return { steps, found: before, left: steps, waiting, applied: [], observed: before, problems: [] };
  const applied = await kernel.apply(renderPlan({ from: before.hash, to: desired.hash, steps, waiting }, desired, kernel.layout));
  const hasFailed = applied.some(({ exitCode }) => exitCode !== 0);
  const observed = await observe(hasFailed ? undefined : writtenBy(steps));
  const after = diffNodeState(observed, desired);
  // What failed because its endpoint ended meanwhile is no problem: it waits.
  const failures = applied.filter(({ exitCode, batch }) => exitCode !== 0 && !isGone(batch.space, observed)).map(failureOf);
  return {
    steps: begunSteps(steps, applied),
    found: before,
    left: after.steps,
    waiting: after.waiting,
    applied,
    observed,
    problems: problemsOf(failures, after.steps),
  };
}

/**
 * Observe, plan, apply, observe what was written. Each part takes nothing from a run before, so a restart in the
 * middle of any of them is the same as a first start.
 *
 * With `trust`, a plan is first made from the last observation, which costs no process; what it wrote is read back all
 * the same, and when it leads nowhere, or nothing is to be done by it, everything is observed.
 */
export async function reconcile(kernel: Kernel, desired: NodeState, endpoints: NodeState['endpoints'], trust: boolean): Promise<Reconciled> {
  const request = requestOf(desired, endpoints);
  const target: Target = { kernel, desired, observe: (written) => kernel.observe({ ...request, ...(written === undefined ? {} : { written }) }) };
  const first = trust ? await reach(target, await target.observe(new Map())) : undefined;
  if (first !== undefined && first.applied.length > 0 && first.problems.length === 0) return first;
  // After a failure everything has been observed already.
  const hasLooked = first?.applied.some(({ exitCode }) => exitCode !== 0) === true;
  const whole = await reach(target, first !== undefined && hasLooked ? first.observed : await target.observe());
  return first === undefined ? whole : { ...whole, found: first.found, steps: [...first.steps, ...whole.steps], applied: [...first.applied, ...whole.applied] };
}
