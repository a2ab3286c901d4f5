import type { Id, Snapshot } from '@portolan/model';
import type { RegistryEntry, RegistryView } from './registry.js';

export interface RegistryWrite {
  readonly nodeId: Id;
  readonly key: string;
  readonly value: string;
  readonly reserved: boolean;
  readonly seen: RegistryEntry | null;
}
export interface RegistryPlan {
  readonly config: { readonly value: string | null; readonly seen: string | null } | null;
  readonly writes: readonly RegistryWrite[];
  readonly removes: readonly RegistryEntry[];
  /** Nodes that got no subnet. */
  readonly full: readonly Id[];
}
export function registryPlan(snapshot: Snapshot, view: RegistryView, acknowledged: ReadonlySet<Id>): RegistryPlan {
  if (snapshot.flannel === null || view.config === null || acknowledged.size === 0) return { config: null, writes: [], removes: [], full: [] };
  return { config: null, writes: [], removes: [], full: [] };
}
