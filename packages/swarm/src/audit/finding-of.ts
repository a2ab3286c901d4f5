import type { Finding } from '../finding.js';
import { balancerEffect } from './balancer-effects.js';
import type { Difference } from './difference.js';
import { hostEffect } from './host-effects.js';
import { overlayEffect } from './overlay-effects.js';
import type { Effect, Place } from './place.js';
import { repairOf } from './repair.js';
import { taskEffect } from './task-effects.js';
import { titleOf } from './title.js';
import { wordsOf } from './words.js';

const effects: Readonly<Record<Place['expected']['role'], (difference: Difference, place: Place) => Effect>> = {
  host: hostEffect,
  overlay: overlayEffect,
  'load-balancer': balancerEffect,
  ingress: balancerEffect,
  task: taskEffect,
};

/** A difference as people are told of it. */
export function findingOf(difference: Difference, place: Place): Finding {
  const { kind, aspect, expected, found, before } = difference;
  const { severity, consequence } = effects[place.expected.role](difference, place);
  const order =
    before === undefined || expected === null ? undefined : { expected: wordsOf(expected, aspect), before: wordsOf({ kind: 'rule', rule: before }, aspect) };
  return {
    severity,
    node: place.node.name,
    namespace: place.name,
    object: titleOf(difference, place),
    kind,
    expected: order !== undefined ? `${order.expected} before ${order.before}` : expected === null ? null : wordsOf(expected, aspect),
    found: order !== undefined ? `${order.before} before ${order.expected}` : found === null ? null : wordsOf(found, aspect),
    consequence,
    repair: repairOf(difference, place),
  };
}
