import type { Problem } from './errors.js';

/** What a change can break that worked before, each with what to do about it. Whoever applies it all the same overrides it, which is recorded. */
export const blockerRules = {
  'backend-on-gone-node': 'Place the endpoint on another node, or wait until the host is back.',
  'service-without-backend': 'Keep an endpoint that is there and that takes connections, or delete the service.',
  'mark-clash': 'Choose a mark, or a range of marks, that no rule of another program on the nodes matches.',
  'subnet-over-underlay': 'Choose a subnet that holds no address of a host: containers of the network cannot reach that host.',
} as const satisfies Record<string, string>;
export type BlockerRule = keyof typeof blockerRules;

/** A finding that must be overridden before the change is applied. */
export interface Blocker extends Problem {
  readonly code: 'plan-blocked';
  readonly rule: BlockerRule;
  /** What an override names: the rule and the object, such as `backend-on-gone-node:api.3`. */
  readonly override: string;
}

/** `object`: the name of what is broken. */
export function blocker(rule: BlockerRule, object: string, message: string): Blocker {
  return { code: 'plan-blocked', path: '', message, fix: blockerRules[rule], rule, override: `${rule}:${object}` };
}
