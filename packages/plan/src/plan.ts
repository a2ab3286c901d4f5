import type { KernelObject, ObservedObject } from '@portolan/node-state';

/** One change of one object. The kind of the object and the action choose the executor. */
export type Step =
  | { readonly action: 'create'; readonly object: KernelObject; readonly reason: string }
  | { readonly action: 'replace'; readonly object: KernelObject; readonly observed: ObservedObject; readonly reason: string }
  | { readonly action: 'delete'; readonly observed: ObservedObject; readonly reason: string };

export function keyOfStep(step: Step): string {
  return step.action === 'delete' ? step.observed.key : step.object.key;
}

/** What leads from what is there to what is wanted: deletions in reverse order of making where they must go first, then the rest. */
export interface Plan {
  /** Hash of the observed state that it starts from. */
  readonly from: string;
  /** Hash of the node state that it leads to. */
  readonly to: string;
  /** In the order of execution. */
  readonly steps: readonly Step[];
  /** Keys of objects that cannot exist now because the namespace of their endpoint is absent. */
  readonly waiting: readonly string[];
}
