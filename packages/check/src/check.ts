import type { NounDifference, Snapshot, SnapshotDifference } from '@portolan/model';
import { clusterFindings } from './cluster.js';
import type { Finding } from './finding.js';
import { objectRules } from './objects.js';
import { duplicateFindings } from './uniqueness.js';
import { type View, viewOf } from './view.js';

/**
 * Everything that is wrong with a snapshot or that a person should know, in time proportional to its size. A snapshot
 * without a `block` can be computed and applied.
 */
export function checkSnapshot(snapshot: Snapshot): readonly Finding[] {
  const view = viewOf(snapshot);
  const found: Finding[] = [...clusterFindings(view)];
  eachInto(found, view, objectRules.network, snapshot.networks.values());
  eachInto(found, view, objectRules.node, snapshot.nodes.values());
  eachInto(found, view, objectRules.service, snapshot.services.values());
  eachInto(found, view, objectRules.endpoint, snapshot.endpoints.values());
  found.push(...duplicateFindings(snapshot));
  return found;
}

/**
 * The rules that one change can have broken, given that the snapshot before it was sound: those about each object
 * that is new or changed, and those about the cluster when a setting, a network or a node changed. Values held twice
 * are not looked for: allocation refuses them.
 */
export function checkChanges(after: Snapshot, difference: SnapshotDifference): readonly Finding[] {
  const view = viewOf(after);
  const wide = difference.cluster || !isEmpty(difference.networks) || difference.nodes.created.length > 0 || difference.nodes.changed.some(movedHost);
  const found: Finding[] = wide ? [...clusterFindings(view)] : [];
  eachInto(found, view, objectRules.network, difference.cluster ? after.networks.values() : present(difference.networks));
  eachInto(found, view, objectRules.node, present(difference.nodes));
  eachInto(found, view, objectRules.service, present(difference.services));
  eachInto(found, view, objectRules.endpoint, present(difference.endpoints));
  return found;
}

function eachInto<T>(found: Finding[], view: View, rule: (view: View, noun: T) => Iterable<Finding>, nouns: Iterable<T>): void {
  for (const noun of nouns) found.push(...rule(view, noun));
}

function movedHost({ before, after }: { readonly before: { readonly address: string }; readonly after: { readonly address: string } }): boolean {
  return before.address !== after.address;
}

function present<T>(difference: NounDifference<T>): readonly T[] {
  return [...difference.created, ...difference.changed.map(({ after }) => after)];
}

function isEmpty(difference: NounDifference<unknown>): boolean {
  return difference.created.length + difference.changed.length + difference.deleted.length === 0;
}
