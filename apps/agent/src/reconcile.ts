import type { AppliedBatch, Kernel } from '@portolan/kernel';
import { errorCatalogue, type Problem, problem } from '@portolan/model';
import { kindOfKey, type NodeState, type ObservedState, observedState, type Space } from '@portolan/node-state';
import { diffNodeState, type Plan, type Step } from '@portolan/plan';
import { renderPlan } from '@portolan/render';

/** What was done to bring the kernel to a state, and how it looks now. */
export interface Reconciled {
  readonly plan: Plan;
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

/** Namespaces that the steps write in; both ends of a pair. */
function writtenSpaces(steps: readonly Step[]): ReadonlySet<Space> {
  const spaces = new Set<Space>();
  for (const step of steps) {
    for (const object of step.action === 'create' ? [step.object] : step.action === 'delete' ? [step.observed] : [step.object, step.observed]) {
      spaces.add(object.space);
      if (object.body?.kind === 'veth') spaces.add(object.body.peer.space);
    }
  }
  return spaces;
}

/** An observation of which some namespaces were read again. */
function renewed(before: ObservedState, after: ObservedState, spaces: ReadonlySet<Space>): ObservedState {
  const kept = <T extends { readonly space: Space }>(items: readonly T[]): T[] => items.filter(({ space }) => !spaces.has(space));
  return observedState([...kept(before.objects), ...after.objects], after.endpoints, [...kept(before.foreign), ...after.foreign]);
}

function failureOf({ batch, command, stderr, exitCode }: AppliedBatch): Problem & { readonly key?: string } {
  const [key] = batch.keys;
  const said = stderr.trim().split('\n').slice(-5).join(' | ') || `exit code ${exitCode}`;
  return { ...problem('apply-failed', '', `${batch.space}: ${command}: ${said}`), ...(key === undefined || batch.keys.length > 1 ? {} : { key }) };
}

/**
 * Observe, plan, apply, observe what was written. Each part takes nothing from a run before, so a restart in the
 * middle of any of them is the same as a first start.
 */
export async function reconcile(kernel: Kernel, desired: NodeState, endpoints: NodeState['endpoints']): Promise<Reconciled> {
  const before = await kernel.observe(endpoints);
  const plan = diffNodeState(before, desired);
  if (plan.steps.length === 0) return { plan, applied: [], observed: before, problems: [] };

  const applied = await kernel.apply(renderPlan(plan, desired, kernel.layout));
  const failure = applied.find(({ exitCode }) => exitCode !== 0);
  if (failure !== undefined) return { plan, applied, observed: await kernel.observe(endpoints), problems: [failureOf(failure)] };

  const spaces = writtenSpaces(plan.steps);
  const observed = renewed(before, await kernel.observe(endpoints, spaces), spaces);
  const left = diffNodeState(observed, desired).steps;
  const problems = left.slice(0, NAMED).map((step) => {
    const key = keyOfStep(step);
    return {
      ...problem('apply-failed', '', `${key} is not as it should be after every command succeeded: ${step.reason}`, errorCatalogue['apply-failed'].fix),
      key,
    };
  });
  return { plan, applied, observed, problems };
}

/** Endpoints of earlier states in whose namespaces nothing of ours is left, or that are gone. */
export function cleanEndpoints(retiring: NodeState['endpoints'], observed: ObservedState): readonly string[] {
  const dirty = new Set(observed.objects.filter(({ key }) => kindOfKey(key) !== 'sysctl').map(({ space }) => space));
  return Object.keys(retiring).filter((id) => !dirty.has(`endpoint:${id}`));
}
