import { type NodeState, sysctlNamesOf } from '@portolan/node-state';
import { diffNodeState, type Step } from '@portolan/plan';
import { renderPlan } from '@portolan/render';
import { type AppliedBatch, type Kernel, type Observation, writtenBy } from '../src/index.js';

export function observed(kernel: Kernel, state: NodeState, endpoints = state.endpoints): Promise<Observation> {
  return kernel.observe({ endpoints, sysctls: sysctlNamesOf(state) });
}

export function toldSteps(steps: readonly Step[]): string[] {
  return steps.map((step) => `${step.action} ${step.action === 'delete' ? step.observed.key : step.object.key}: ${step.reason}`);
}

export async function stepsTo(kernel: Kernel, state: NodeState, endpoints = state.endpoints): Promise<string[]> {
  return toldSteps(diffNodeState(await observed(kernel, state, endpoints), state).steps);
}

/** What the plans of a kernel did. */
export interface Reached {
  readonly applied: readonly AppliedBatch[];
  readonly after: Observation;
}

/** Applies what is missing, as an agent does: what was written is read back. With `known`, it plans from what was read last. Throws when a batch fails. */
export async function reach(kernel: Kernel, state: NodeState, { endpoints = state.endpoints, known = false } = {}): Promise<Reached> {
  const request = { endpoints, sysctls: sysctlNamesOf(state) };
  const plan = diffNodeState(await kernel.observe(known ? { ...request, written: new Map() } : request), state);
  const applied = await kernel.apply(renderPlan(plan, state, kernel.layout));
  const failed = applied.find(({ exitCode }) => exitCode !== 0);
  if (failed !== undefined) throw new Error(`${failed.command}\n${failed.batch.text}\n${failed.stderr}`);
  return { applied, after: await kernel.observe({ ...request, written: writtenBy(plan.steps) }) };
}
