import type { NodeState } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import type { Report } from '@portolan/protocol';
import { endpointsOfStep, keyOfStep } from './steps.js';

/** Tells what a run had to set right although nothing else is wanted than before: what others did to the kernel. */
export interface DriftWatch {
  /** The steps of a run that were such repairs. Of the first run of an agent nothing can be told. */
  repaired(state: NodeState, report: Report, steps: readonly Step[]): readonly Step[];
}

export function driftWatch(): DriftWatch {
  let before: { readonly hash: string; readonly waiting: ReadonlySet<string>; readonly endpoints: Report['endpoints'] } | undefined;
  return {
    repaired: (state, report, steps) => {
      const reached = before;
      if (report.status === 'applied') before = { hash: state.hash, waiting: new Set(report.waiting), endpoints: report.endpoints };
      else if (reached?.hash !== state.hash) before = undefined;
      if (reached?.hash !== state.hash || report.status !== 'applied') return [];
      // An endpoint that came is no drift; neither is what went with one that ended.
      const isSettled = (id: string): boolean => reached.endpoints[id] === 'present' && report.endpoints[id] === 'present';
      return steps.filter((step) => !reached.waiting.has(keyOfStep(step)) && endpointsOfStep(step).every(isSettled));
    },
  };
}
