import { type ClusterSettings, defaultClusterSettings, emptySnapshotOf, type Snapshot } from '@portolan/model';
import { seededIds } from './ids.js';

/** A cluster as it is made: settings and nothing else, at revision 0. */
export function emptySnapshot(name = 'test', settings: Partial<ClusterSettings> = {}): Snapshot {
  return emptySnapshotOf({ id: seededIds(0)(), name, settings: { ...defaultClusterSettings, ...settings }, revision: 0 });
}
