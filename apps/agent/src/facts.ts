import type { Kernel } from '@portolan/kernel';
import type { NodeState } from '@portolan/node-state';
import type { Report } from '@portolan/protocol';

/** What the host has, asked once, and again when a state needs other things than the one before. */
export interface HostFacts {
  /** Fails with `tool-missing` or `kernel-feature-missing`, and is asked again then. */
  for(state: NodeState): Promise<void>;
  /** As far as they are known. */
  readonly facts: Report['facts'];
}

export function hostFacts(kernel: Pick<Kernel, 'probe'>): HostFacts {
  let facts: Report['facts'] = {};
  let known: boolean | undefined;
  return {
    for: async ({ objects }) => {
      const balances = objects.some(({ body }) => body.kind === 'virtual-server');
      if (known === balances) return;
      known = undefined;
      facts = await kernel.probe({ balances });
      known = balances;
    },
    get facts() {
      return facts;
    },
  };
}
