import type { KernelObject, NodeState, ObjectBody, ObservedObject } from '@portolan/node-state';
import { changesInPlace } from './place.js';
import type { Plan, Step } from './plan.js';
import { asker } from './reason.js';
import { type Risk, riskOf } from './risk.js';

/** A step as people are shown it before it is made. */
export interface PlannedStep {
  /** update: changed where it is; replace: removed and made anew. */
  readonly action: 'create' | 'update' | 'replace' | 'delete';
  readonly key: string;
  /** What in the intent put the object there, for people: "service web, network bjdt_overlay"; '' where that is not known any more. */
  readonly origin: string;
  readonly reason: string;
  readonly risk: Risk;
}

/**
 * The steps of a plan, in its order. `before`: the state that the node had, which knows where what goes came from, and what rules say that
 * are recognised by their hash only.
 */
export function plannedSteps({ steps }: Plan, before?: Pick<NodeState, 'objects'>): readonly PlannedStep[] {
  const had = new Map((before?.objects ?? []).map((object) => [object.key, object]));
  return steps.map((step): PlannedStep => {
    const action = actionOf(step);
    if (step.action === 'delete') {
      const { key, kind } = step.observed;
      const was = had.get(key);
      const risk = riskOf(kind, action, { before: bodyOf(step.observed, was), after: undefined });
      return { action, key, origin: was === undefined ? '' : asker(was.origin), reason: step.reason, risk };
    }
    const { key, body, origin } = step.object;
    const found = step.action === 'replace' ? bodyOf(step.observed, had.get(key)) : undefined;
    return { action, key, origin: asker(origin), reason: step.reason, risk: riskOf(body.kind, action, { before: found, after: body }) };
  });
}

function bodyOf({ body, hash }: ObservedObject, was: KernelObject | undefined): ObjectBody | undefined {
  return body ?? (was?.hash === hash ? was.body : undefined);
}

function actionOf(step: Step): PlannedStep['action'] {
  return step.action === 'replace' && changesInPlace(step.observed, step.object.body) ? 'update' : step.action;
}
