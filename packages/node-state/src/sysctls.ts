import type { NodeState, Space } from './objects.js';

/** Name of the host's bridge to its ingress sandbox and to its endpoints. */
export const GATEWAY_BRIDGE = 'ptl_gwbridge';

/** Sysctls by the namespace that they are in. What is wanted is what an observation reads: the others are nobody's business. */
export type SysctlNames = ReadonlyMap<Space, readonly string[]>;

export function sysctlNamesOf({ objects }: Pick<NodeState, 'objects'>): SysctlNames {
  const names = new Map<Space, string[]>();
  for (const { space, body } of objects) {
    if (body.kind !== 'sysctl') continue;
    const ofSpace = names.get(space);
    if (ofSpace === undefined) names.set(space, [body.name]);
    else ofSpace.push(body.name);
  }
  return names;
}
