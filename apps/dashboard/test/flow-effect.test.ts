import { expect, it } from 'vitest';
import { flowEffectOf } from '../src/pages/plans/flow-effect.js';

it.each([
  ['ends', 'delivered', null],
  ['ends', 'delivered', 'no_backend'],
  ['ends', 'unreachable', null],
  ['begins', null, 'delivered'],
  ['begins', 'dropped', 'delivered'],
  ['begins', null, 'no_backend'],
  ['moves', 'delivered', 'delivered'],
  ['moves', 'dropped', 'unreachable'],
] as const)('a flow %s that was %s and is then %s', (effect, before, after) => {
  expect(flowEffectOf({ before, after })).toBe(effect);
});
