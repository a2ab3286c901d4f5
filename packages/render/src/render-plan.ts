import { bodyHash, type KernelObject, type NodeState, type Space } from '@portolan/node-state';
import { isName, isRule, keyOfStep, narrowedName, type Plan, type Step, waysOfNames } from '@portolan/plan';
import type { Batch, Layout } from './batch.js';
import { flowsToForward } from './flows.js';
import { type KeptRules, noRulesKept } from './kept-rules.js';
import { makeObject, setLine } from './make.js';
import { removeObject } from './remove.js';
import { Sheet, type Slot } from './sheet.js';
import { renderTables } from './tables.js';

/**
 * The text of a plan for the tools of Linux, in the order of execution: one batch for each tool and namespace, and a
 * second of `ip`, of names or of rules where something must go before, or can go only after. Rules of a namespace are written whole, so the
 * node state is needed beside the plan; what of them stays as it is stands in `kept`, and so does what goes after the names (`waysOfNames`). Run each batch so that it stops at its first error,
 * unless it says that it goes on.
 */
export function renderPlan(plan: Pick<Plan, 'steps'>, desired: NodeState, layout: Layout, kept: KeptRules = noRulesKept): Batch[] {
  const sheet = new Sheet();
  const rules = new Map<Space, Step[]>();
  const waits = waysOfNames(plan.steps);
  const lastRules = new Map<Space, Step[]>();
  const isMade = (step: Step) => step.action !== 'delete' && !isName(step.object.body.kind);
  const firstMade = plan.steps.findIndex(isMade);
  for (const [i, step] of plan.steps.entries()) {
    const { kind, space } = step.action === 'delete' ? step.observed : { kind: step.object.body.kind, space: step.object.space };
    const isLast = waits.has(keyOfStep(step));
    if (isRule(kind)) {
      noteRule(isLast ? lastRules : rules, space, step);
      for (const line of flowsToForward(step, desired.address)) sheet.addOnce('flows', space, keyOfStep(step), line);
    } else if (step.action === 'delete') {
      const servers = isLast ? 'servers-last' : rules.has(space) ? 'remove-servers' : 'servers';
      removeObject(step.observed, sheet, i < firstMade ? 'remove-first' : 'remove', servers);
    } else {
      const narrowed = narrowedName(step);
      if (narrowed !== undefined) sheet.add('names-first', 'host', step.object.key, setLine(step.object.key, narrowed));
      if (narrowed === undefined || bodyHash(narrowed) !== step.object.hash)
        makeObject(step.object, step.action === 'replace' ? step.observed : undefined, layout, sheet);
    }
  }
  const wanted = wantedRules(desired, new Set([...rules.keys(), ...lastRules.keys()]));
  for (const [space, steps] of rules) {
    const lets = steps.some((step) => step.action !== 'delete');
    const slot = space === 'host' ? (lets ? 'host-rules' : 'host-rules-first') : 'rules';
    addRules(slot, space, steps, renderTables(space, wanted.get(space) ?? [], steps, layout, kept));
  }
  const keptAtLast: KeptRules = lastRules.size === 0 ? kept : new Map([...kept].filter(([key]) => !waits.has(key)));
  for (const [space, steps] of lastRules) addRules('rules-last', space, steps, renderTables(space, wanted.get(space) ?? [], steps, layout, keptAtLast));
  return sheet.batches();

  function addRules(slot: Slot, space: Space, steps: readonly Step[], text: string): void {
    for (const [i, step] of steps.entries()) sheet.add(slot, space, keyOfStep(step), ...(i === 0 ? [text.trimEnd()] : []));
  }
}

function noteRule(rules: Map<Space, Step[]>, space: Space, step: Step): void {
  const known = rules.get(space) ?? [];
  known.push(step);
  rules.set(space, known);
}

function wantedRules(desired: NodeState, spaces: ReadonlySet<Space>): Map<Space, KernelObject[]> {
  const wanted = new Map<Space, KernelObject[]>();
  for (const object of desired.objects) {
    if (!spaces.has(object.space) || !isRule(object.body.kind)) continue;
    const known = wanted.get(object.space) ?? [];
    known.push(object);
    wanted.set(object.space, known);
  }
  return wanted;
}
