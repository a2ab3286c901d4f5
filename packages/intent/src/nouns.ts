import { type Id, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { findNoun } from './find.js';
import { mergePatch } from './merge-patch.js';
import { parseSpec } from './parse.js';
import { refuseChangedNetworks, refuseDangling, settleIngress } from './references.js';
import { resolveSpec } from './resolve.js';
import { specOf } from './specs.js';
import type { NewId, NounSpecs, Nouns } from './types.js';

/** Throws `duplicate-name`, and whatever else the object cannot have. */
export function createNoun<K extends NounKind>(snapshot: Snapshot, kind: K, spec: NounSpecs[K], newId: NewId): Snapshot {
  if (findNoun(snapshot, kind, spec.name) !== undefined) throw portolanError('duplicate-name', '/name', `there is a ${kind} "${spec.name}" already`);
  const pinned = 'id' in spec ? spec.id : undefined;
  if (pinned !== undefined && snapshot.networks.has(pinned)) {
    throw portolanError('duplicate-id', '/id', `the id ${pinned} is that of the network "${snapshot.networks.get(pinned)?.name}"`);
  }
  return changed(snapshot, kind, pinned ?? newId(), spec);
}

/** `version`: fails with `precondition-failed` unless it is the object's. Values left out keep what was allocated. */
export function replaceNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, spec: NounSpecs[K], version?: number): Snapshot {
  const noun = existing(snapshot, kind, name, version);
  if (spec.name !== name) {
    const fix = `Write "${name}", or create another object and delete this one.`;
    throw portolanError('immutable-field', '/name', `the name of the ${kind} "${name}" cannot become "${spec.name}"`, { fix });
  }
  return changed(snapshot, kind, noun.id, spec);
}

/** JSON merge patch (RFC 7396) of the object's spec: null takes a value back to its default, or keeps what was allocated. */
export function patchNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, patch: unknown, version?: number): Snapshot {
  const noun = existing(snapshot, kind, name, version);
  return replaceNoun(snapshot, kind, name, parseSpec(kind, mergePatch(specOf(snapshot, kind, noun), patch)));
}

/** Throws `not-found`, `precondition-failed`, and `in-use` with the users. */
export function deleteNoun(snapshot: Snapshot, kind: NounKind, name: string, version?: number): Snapshot {
  const { id } = existing(snapshot, kind, name, version);
  const edit = new Edit(snapshot);
  edit.delete(kind, id);
  refuseDangling(edit, () => '');
  return edit.result();
}

function existing<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, version: number | undefined): Nouns[K] {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw portolanError('not-found', '', `there is no ${kind} "${name}"`);
  if (version !== undefined && version !== noun.version) {
    throw portolanError('precondition-failed', '', `the ${kind} "${name}" has version ${noun.version}, not ${version}`);
  }
  return noun;
}

function changed<K extends NounKind>(snapshot: Snapshot, kind: K, id: Id, spec: NounSpecs[K]): Snapshot {
  const edit = new Edit(snapshot);
  resolveSpec(edit, kind, id, spec, '');
  settleIngress(edit);
  refuseChangedNetworks(edit);
  return edit.result();
}
