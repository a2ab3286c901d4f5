import { type ClusterSettings, defaultClusterSettings, type Snapshot } from '@portolan/model';
import { seededIds } from './ids.js';

/** A cluster as it is made: settings and nothing else, at revision 0. */
export function emptySnapshot(name = 'test', settings: Partial<ClusterSettings> = {}): Snapshot {
  const cluster = { id: seededIds(0)(), name, settings: { ...defaultClusterSettings, ...settings }, revision: 0 };
  return { cluster, nodes: new Map(), networks: new Map(), services: new Map(), endpoints: new Map(), retired: [] };
}
