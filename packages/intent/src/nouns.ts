import { type Id, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { existingNoun, findNoun } from './find.js';
import { resetHealth } from './health.js';
import { mergePatch, withoutStalePins } from './merge-patch.js';
import { refuseUnusedAddresses } from './node-addresses.js';
import { parseSpec } from './parse.js';
import { refuseChangedNetworks, refuseDangling, refuseUnreachablePorts, settleIngress } from './references.js';
import { resolveSpec } from './resolve.js';
import { specOf } from './specs.js';
import type { NewId, NounSpecs } from './types.js';

/** Throws `duplicate-name`, and whatever else the object cannot have. */
export function createNoun<K extends NounKind>(snapshot: Snapshot, kind: K, spec: NounSpecs[K], newId: NewId): Snapshot {
  const other = findNoun(snapshot, kind, spec.name);
  if (other !== undefined) {
    const leaves = 'drain' in other && other.drain?.removes === true;
    const fix = leaves ? { fix: 'It is leaving: wait until it is gone, or replace it (PUT) to keep it.' } : {};
    throw portolanError('duplicate-name', '/name', `there is a ${kind} "${spec.name}" already`, fix);
  }
  const pinned = 'id' in spec ? spec.id : undefined;
  if (pinned !== undefined && snapshot.networks.has(pinned)) {
    throw portolanError('duplicate-id', '/id', `the id ${pinned} is that of the network "${snapshot.networks.get(pinned)?.name}"`);
  }
  return changed(snapshot, kind, pinned ?? newId(), spec);
}

/** `version`: fails with `precondition-failed` unless it is the object's. Values left out keep what was allocated. An endpoint that was leaving stays. */
export function replaceNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, spec: NounSpecs[K], version?: number): Snapshot {
  const noun = existingNoun(snapshot, kind, name, version);
  refuseOtherName(kind, name, spec);
  return changed(snapshot, kind, noun.id, spec);
}

/** JSON merge patch (RFC 7396) of the object's spec: null takes a value back to its default, or keeps what was allocated. An endpoint that leaves goes on. */
export function patchNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, patch: unknown, version?: number): Snapshot {
  const noun = existingNoun(snapshot, kind, name, version);
  const spec = parseSpec(kind, withoutStalePins(kind, mergePatch(specOf(snapshot, kind, noun), patch), patch));
  refuseOtherName(kind, name, spec);
  return changed(snapshot, kind, noun.id, spec, { keepsLeaving: true });
}

function refuseOtherName(kind: NounKind, name: string, spec: { readonly name: string }): void {
  if (spec.name === name) return;
  const fix = `Write "${name}", or create another object and delete this one.`;
  throw portolanError('immutable-field', '/name', `the name of the ${kind} "${name}" cannot become "${spec.name}"`, { fix });
}

/** Throws `not-found`, `precondition-failed`, and `in-use` with the users. */
export function deleteNoun(snapshot: Snapshot, kind: NounKind, name: string, version?: number): Snapshot {
  const { id } = existingNoun(snapshot, kind, name, version);
  const edit = new Edit(snapshot);
  edit.delete(kind, id);
  refuseDangling(edit, () => '');
  return edit.result();
}

function changed<K extends NounKind>(snapshot: Snapshot, kind: K, id: Id, spec: NounSpecs[K], { keepsLeaving = false } = {}): Snapshot {
  const edit = new Edit(snapshot);
  edit.keepsLeaving = keepsLeaving;
  resolveSpec(edit, kind, id, spec, '');
  settleIngress(edit);
  resetHealth(edit);
  refuseChangedNetworks(edit);
  refuseUnreachablePorts(edit);
  refuseUnusedAddresses(edit);
  return edit.result();
}
