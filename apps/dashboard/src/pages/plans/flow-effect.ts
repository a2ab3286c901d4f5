/** What a plan does to a flow. */
export type FlowEffect = 'ends' | 'begins' | 'moves';

export const flowEffects: readonly FlowEffect[] = ['ends', 'begins', 'moves'];

/**
 * Of a flow that is other after a plan than before it; outcomes are null where there is no such flow. One that is delivered before or after only
 * begins or ends; one that goes to other endpoints, or fails in another way, moves.
 */
export function flowEffectOf({ before, after }: { readonly before: string | null; readonly after: string | null }): FlowEffect {
  const [was, is] = [before === 'delivered', after === 'delivered'];
  if (was !== is) return was ? 'ends' : 'begins';
  if (after === null) return 'ends';
  return before === null ? 'begins' : 'moves';
}
