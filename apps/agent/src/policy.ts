import type { NodeState, ObservedState } from '@portolan/node-state';
import { asFound, diffNodeState, neededFrom } from '@portolan/plan';

/**
 * The keys in drift that are left as they are where drift is only reported. What a change of the state rests on is made all the same: a
 * change in a namespace that somebody removed makes that namespace, and of the links in it those that the change needs, and nothing else
 * that was there. An acknowledged revision then means that its changes are there.
 */
export function withheld(observed: ObservedState, desired: NodeState, drifted: ReadonlySet<string>): ReadonlySet<string> {
  for (let alone = drifted; ; ) {
    if (alone.size === 0) return alone;
    const target = asFound(observed, desired, alone);
    const { steps } = diffNodeState(target.observed, target.desired);
    const made = steps.flatMap((step) => (step.action === 'delete' ? [] : [step.object]));
    const candidates = desired.objects.filter(({ key }) => alone.has(key));
    const needed = new Set(neededFrom(made, candidates).map(({ key }) => key));
    if (needed.size === 0) return alone;
    alone = new Set([...alone].filter((key) => !needed.has(key)));
  }
}
