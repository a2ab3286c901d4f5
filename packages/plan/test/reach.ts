import type { NodeState } from '@portolan/node-state';
import { expect } from 'vitest';
import { diffNodeState, type Plan } from '../src/index.js';
import type { ModelKernel } from './model-kernel.js';

/** `ACTION KEY` of each step. */
export function steps(plan: Plan): string[] {
  return plan.steps.map((step) => `${step.action} ${step.action === 'delete' ? step.observed.key : step.object.key}`);
}

/** Carries a plan out; then the kernel must hold what is wanted, but for what waits, and the next plan must be empty. */
export function expectReached(kernel: ModelKernel, plan: Plan, desired: NodeState): void {
  kernel.apply(plan);
  const waiting = new Set(plan.waiting);
  const wanted = desired.objects.filter(({ key }) => !waiting.has(key));
  const reached = [...kernel.things.values()].filter(({ kind, key }) => (kind !== 'sysctl' && kind !== 'ipvs-timeouts') || wanted.some((o) => o.key === key));
  expect(reached.map(({ key, hash }) => `${key} ${hash}`).sort()).toEqual(wanted.map(({ key, hash }) => `${key} ${hash}`).sort());
  expect(steps(diffNodeState(kernel.observe(), desired))).toEqual([]);
}
