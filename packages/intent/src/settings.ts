import type { ClusterSettings, Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { mergePatch } from './merge-patch.js';
import { parseSettings } from './parse.js';

/**
 * JSON merge patch of the cluster's settings. What is allocated stays; new ranges and pools count from now on.
 * Throws what parsing throws, and `subnet-overlap` where the gateway subnet meets a network or a host.
 */
export function patchSettings(snapshot: Snapshot, patch: unknown): Snapshot {
  const edit = new Edit(snapshot);
  edit.settings = keptOrNew(snapshot.cluster.settings, parseSettings(mergePatch(snapshot.cluster.settings, patch)));
  return edit.result();
}

/** The same object when the two say the same. */
export function keptOrNew(before: ClusterSettings, after: ClusterSettings): ClusterSettings {
  return Object.entries(after).every(([name, value]) => JSON.stringify(before[name as keyof ClusterSettings]) === JSON.stringify(value)) ? before : after;
}
