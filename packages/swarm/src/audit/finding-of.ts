import type { Finding } from '../finding.js';
import type { NamespaceObject } from '../object.js';
import { balancerEffect } from './balancer-effects.js';
import type { Difference } from './difference.js';
import { hostEffect } from './host-effects.js';
import { overlayEffect } from './overlay-effects.js';
import type { Effect, Place } from './place.js';
import { repairOf, resolved } from './repair.js';
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
  const { kind, aspect, found, before } = difference;
  const expected = asItIsThere(difference.expected, place);
  const { severity, consequence } = effects[place.expected.role](difference, place);
  const order =
    before === undefined || expected === null ? undefined : { expected: wordsOf(expected, aspect), before: wordsOf({ kind: 'rule', rule: before }, aspect) };
  return {
    severity,
    node: place.node.name,
    namespace: place.name,
    object: titleOf({ ...difference, expected }, place),
    kind,
    expected: order !== undefined ? `${order.expected} before ${order.before}` : expected === null ? null : wordsOf(expected, aspect),
    found: order !== undefined ? `${order.before} before ${order.expected}` : found === null ? null : wordsOf(found, aspect),
    consequence,
    repair: repairOf(difference, place),
  };
}

/** A rule of the resolver with the port that dockerd drew, as far as that can be told. */
function asItIsThere(expected: NamespaceObject | null, place: Place): NamespaceObject | null {
  if (expected?.kind !== 'rule') return expected;
  const rule = resolved(expected.rule, place);
  if (rule !== undefined) return { kind: 'rule', rule };
  const { match, options } = expected.rule;
  return {
    kind: 'rule',
    rule: { ...expected.rule, match: match.replace(/--sport [0-9]+/, '--sport PORT'), options: options.replace(/(127\.0\.0\.11):[0-9]+/, '$1:PORT') },
  };
}
