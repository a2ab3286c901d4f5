import type { ResultOf } from '@graphql-typed-document-node/core';
import type { NodeDocument } from './documents.js';

export type ShownNode = NonNullable<NonNullable<ResultOf<typeof NodeDocument>['cluster']>['node']>;
export type Wanted = NonNullable<ShownNode['state']>['objects'][number];
export type Found = NonNullable<ShownNode['observed']>['objects'][number];

/** as wanted; not there; there and other; there and not wanted; nobody has looked yet. */
export type Comparison = 'same' | 'missing' | 'different' | 'unexpected' | 'unseen';

/** Whether something is known to be in the kernel otherwise than it is wanted. */
export function differs({ comparison }: { readonly comparison: Comparison }): boolean {
  return comparison !== 'same' && comparison !== 'unseen';
}

/** One object of a kernel: what is wanted beside what the agent last saw. */
export interface Compared {
  readonly key: string;
  readonly kind: string;
  readonly space: string;
  readonly comparison: Comparison;
  readonly wanted: Wanted | undefined;
  readonly found: Found | undefined;
}

/** All objects that are wanted or there, in the order of the state; equal hashes mean that nothing differs. */
export function comparedObjects({ state, observed }: Pick<ShownNode, 'state' | 'observed'>): readonly Compared[] {
  const found = new Map((observed?.objects ?? []).map((object) => [object.key, object]));
  const compared = (state?.objects ?? []).map((wanted): Compared => {
    const own = found.get(wanted.key);
    found.delete(wanted.key);
    const comparison = observed === null ? 'unseen' : own?.hash === wanted.hash ? 'same' : own === undefined ? 'missing' : 'different';
    return { key: wanted.key, kind: wanted.kind, space: wanted.space, comparison, wanted, found: own };
  });
  const unexpected = [...found.values()].map(
    (own): Compared => ({ key: own.key, kind: own.kind, space: own.space, comparison: 'unexpected', wanted: undefined, found: own }),
  );
  return [...compared, ...unexpected];
}

/** Fields of a body as people read them, without its kind. */
export function fieldsOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '';
  return Object.entries(body)
    .filter(([name]) => name !== 'kind')
    .map(([name, value]) => `${name} ${textOf(value)}`)
    .join(', ');
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(' ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.values(value).map(textOf).join(' ');
}

/** What in the intent put an object there. */
export function originOf(origin: unknown): string {
  if (typeof origin !== 'object' || origin === null) return '';
  const { computedBy, ...of } = origin as Readonly<Record<string, unknown>>;
  const named = Object.entries(of).map(([what, name]) => `${what} ${String(name)}`);
  return named.length === 0 ? String(computedBy) : named.join(', ');
}
