import { type AppliedBatch, type Kernel, writtenBy } from '@portolan/kernel';
import { type Problem, problem } from '@portolan/model';
import { kindOfKey, type NodeState, type ObservedState } from '@portolan/node-state';
import { diffNodeState, type Step } from '@portolan/plan';
import { renderPlan } from '@portolan/render';

/** What was done to bring the kernel to a state, and how it looks now. */
export interface Reconciled {
  /** The steps of every plan that was carried out, as far as they were begun. */
  readonly steps: readonly Step[];
  /** Keys that wait for a namespace that is absent. */
  readonly waiting: readonly string[];
  readonly applied: readonly AppliedBatch[];
  readonly observed: ObservedState;
  /** What stands between the kernel and the state; empty when it is reached. */
  readonly problems: readonly (Problem & { readonly key?: string })[];
}

/** Of many objects that are not there after an apply, so many are named. */
const NAMED = 20;

export function keyOfStep(step: Step): string {
  return step.action === 'delete' ? step.observed.key : step.object.key;
}

function failureOf({ batch, command, stderr, exitCode }: AppliedBatch): Problem & { readonly key?: string } {
  const [key] = batch.keys;
  const said = stderr.trim().split('\n').slice(-5).join(' | ') || `exit code ${exitCode}`;
  return { ...problem('apply-failed', '', `${batch.space}: ${command}: ${said}`), ...(key === undefined || batch.keys.length > 1 ? {} : { key }) };
}

/** All steps, unless a batch failed: then those that it or an earlier one was for. */
function begunSteps(steps: readonly Step[], applied: readonly AppliedBatch[]): readonly Step[] {
  if (applied.every(({ exitCode }) => exitCode === 0)) return steps;
  const reached = new Set(applied.flatMap(({ batch }) => batch.keys));
  return steps.filter((step) => reached.has(keyOfStep(step)));
}

async function reach(kernel: Kernel, before: ObservedState, desired: NodeState, endpoints: NodeState['endpoints']): Promise<Reconciled> {
  const { steps, waiting } = diffNodeState(before, desired);
  if (steps.length === 0) return { steps, waiting, applied: [], observed: before, problems: [] };
  const applied = await kernel.apply(renderPlan({ from: before.hash, to: desired.hash, steps, waiting }, desired, kernel.layout));
  const failure = applied.find(({ exitCode }) => exitCode !== 0);
  if (failure !== undefined) {
    return { steps: begunSteps(steps, applied), waiting, applied, observed: await kernel.observe(endpoints), problems: [failureOf(failure)] };
  }
  const observed = await kernel.observe(endpoints, writtenBy(steps));
  const after = diffNodeState(observed, desired);
  const problems = after.steps.slice(0, NAMED).map((step) => {
    const key = keyOfStep(step);
    return { ...problem('apply-failed', '', `${key} is not as it should be, though every command succeeded: ${step.reason}`), key };
  });
  return { steps, waiting: after.waiting, applied, observed, problems };
}

/**
 * Observe, plan, apply, observe what was written. Each part takes nothing from a run before, so a restart in the
 * middle of any of them is the same as a first start.
 *
 * With `trust`, a plan is first made from the last observation, which costs no process; what it wrote is read back all
 * the same, and when it leads nowhere, or nothing is to be done by it, everything is observed.
 */
export async function reconcile(kernel: Kernel, desired: NodeState, endpoints: NodeState['endpoints'], trust: boolean): Promise<Reconciled> {
  const first = trust ? await reach(kernel, await kernel.observe(endpoints, new Map()), desired, endpoints) : undefined;
  if (first !== undefined && first.applied.length > 0 && first.problems.length === 0) return first;
  const whole = await reach(kernel, await kernel.observe(endpoints), desired, endpoints);
  return first === undefined ? whole : { ...whole, steps: [...first.steps, ...whole.steps], applied: [...first.applied, ...whole.applied] };
}

/** Endpoints of earlier states in whose namespaces nothing of ours is left, or that are gone. */
export function cleanEndpoints(retiring: NodeState['endpoints'], observed: ObservedState): readonly string[] {
  const dirty = new Set(observed.objects.filter(({ key }) => kindOfKey(key) !== 'sysctl').map(({ space }) => space));
  return Object.keys(retiring).filter((id) => !dirty.has(`endpoint:${id}`));
}
