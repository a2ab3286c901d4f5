import type { FlannelLease, Snapshot } from '@portolan/model';
import type { RegistryView } from './registry.js';

export function leasesOf(snapshot: Snapshot, view: RegistryView): ReadonlyMap<string, FlannelLease> {
  return view.subnets.size === 0 ? new Map() : snapshot.flannelLeases;
}
