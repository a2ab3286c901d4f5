import { applyManifest, createNoun, deleteNoun, findNoun, type Nouns, parseManifest, parseSpec, patchNoun, patchSettings, replaceNoun } from '@portolan/intent';
import { type Cluster, ClusterSpecSchema, defaultClusterSettings, emptySnapshotOf, type NounKind, portolanError, type Snapshot } from '@portolan/model';
import { Type } from 'typebox';
import type { Actor } from './actor.js';
import { commitEdit, dryRun, type Outcome } from './commit.js';
import type { Context } from './context.js';
import { atRevision } from './objects.js';
import { parsed, withPaths } from './parse.js';
import { clearRegistry } from './registry-writes.js';
import { readOnlyFields } from './representations.js';
import { refuseSharedPrefix } from './shared-prefix.js';

export interface NounOutcome<K extends NounKind> extends Outcome {
  readonly noun: Nouns[K];
}

/** `spec` is what a caller sent: it is validated here, for every door alike. */
export async function createCluster(ctx: Context, actor: Actor, spec: unknown): Promise<Cluster> {
  const { name, settings } = parsed(ClusterSpecSchema, spec);
  const cluster: Cluster = { id: ctx.newId(), name, settings: defaultClusterSettings, revision: 0 };
  const wanted = withPaths(
    (path) => `/settings${path}`,
    () => patchSettings(emptySnapshotOf(cluster), settings ?? {}),
  );
  const created = await ctx.store.createCluster({ id: cluster.id, name, settings: wanted.cluster.settings });
  ctx.log.info({ cluster: name, actor: actor.name }, 'create cluster');
  ctx.changes.notify('clusters', name);
  return created;
}

const ClusterPatchSchema = Type.Object({ settings: Type.Record(Type.String(), Type.Unknown()) }, { additionalProperties: false });

/** `patch`: a merge patch of the cluster; only its settings can change. */
export async function patchCluster(ctx: Context, actor: Actor, cluster: string, patch: unknown, revision?: number): Promise<Outcome> {
  const { settings } = parsed(ClusterPatchSchema, patch);
  return commitEdit(ctx, actor, cluster, 'change settings', (snapshot) =>
    withPaths(
      (path) => `/settings${path}`,
      () => patchSettings(atRevision(snapshot, revision), settings),
    ),
  );
}

export async function deleteCluster(ctx: Context, actor: Actor, cluster: string, revision?: number): Promise<void> {
  const snapshot = atRevision(await ctx.store.snapshot(cluster), revision);
  await ctx.store.deleteCluster(cluster);
  ctx.log.info({ cluster, actor: actor.name }, 'delete cluster');
  ctx.changes.notify('clusters', cluster);
  await clearRegistry(ctx, snapshot);
}

export async function applyClusterManifest(
  ctx: Context,
  actor: Actor,
  cluster: string,
  document: unknown,
  options: { readonly dryRun?: boolean; readonly revision?: number; readonly force?: boolean } = {},
): Promise<Outcome> {
  const manifest = parseManifest(document);
  if (manifest.flannel != null) await refuseSharedPrefix(ctx, cluster, manifest.flannel.prefix, '/flannel');
  const how = { now: ctx.clock.now().getTime(), force: options.force === true };
  const edit = (snapshot: Snapshot): Snapshot => applyManifest(atRevision(snapshot, options.revision), manifest, ctx.newId, how);
  return options.dryRun === true ? dryRun(ctx, cluster, edit) : commitEdit(ctx, actor, cluster, 'apply manifest', edit);
}

export async function createObject<K extends NounKind>(ctx: Context, actor: Actor, cluster: string, kind: K, document: unknown): Promise<NounOutcome<K>> {
  const spec = parseSpec(kind, document);
  const outcome = await commitEdit(ctx, actor, cluster, `create ${kind} ${spec.name}`, (snapshot) => createNoun(snapshot, kind, spec, ctx.newId));
  return withNoun(outcome, kind, spec.name);
}

/** Takes a spec, or an object as it was read: then its `version` guards the change like If-Match, and what else is not of the spec (`readOnlyFields`) is ignored. */
export async function replaceObject<K extends NounKind>(
  ctx: Context,
  actor: Actor,
  cluster: string,
  kind: K,
  name: string,
  document: unknown,
  version?: number,
): Promise<NounOutcome<K>> {
  const read = withoutReadOnly(kind, document);
  const spec = parseSpec(kind, read.spec);
  const outcome = await commitEdit(ctx, actor, cluster, `replace ${kind} ${name}`, (snapshot) => {
    const current = findNoun(snapshot, kind, name);
    if (read.id !== undefined && current !== undefined && read.id !== current.id) {
      throw portolanError('immutable-field', '/id', `the id of ${kind} ${name} is ${current.id}`);
    }
    return replaceNoun(snapshot, kind, name, spec, version ?? read.version);
  });
  return withNoun(outcome, kind, spec.name);
}

export async function patchObject<K extends NounKind>(
  ctx: Context,
  actor: Actor,
  cluster: string,
  kind: K,
  name: string,
  patch: unknown,
  version?: number,
): Promise<NounOutcome<K>> {
  const outcome = await commitEdit(ctx, actor, cluster, `patch ${kind} ${name}`, (snapshot) => patchNoun(snapshot, kind, name, patch, version));
  return withNoun(outcome, kind, name);
}

/** Of an endpoint: at once. `deleteEndpoint` drains it before. */
export function deleteObject(ctx: Context, actor: Actor, cluster: string, kind: NounKind, name: string, version?: number): Promise<Outcome> {
  return commitEdit(ctx, actor, cluster, `delete ${kind} ${name}`, (snapshot) => deleteNoun(snapshot, kind, name, version));
}

function withNoun<K extends NounKind>(outcome: Outcome, kind: K, name: string): NounOutcome<K> {
  const noun = findNoun(outcome.snapshot, kind, name);
  if (noun === undefined) throw portolanError('internal', '', `${kind} ${name} is not in the snapshot that it was committed to`);
  return { ...outcome, noun };
}

/** Parts the fields that a representation has beyond the spec. `id` stays in the spec of a network, which has it itself. */
function withoutReadOnly(kind: NounKind, document: unknown): { spec: unknown; id?: string; version?: number } {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return { spec: document };
  const { id, version, ...rest } = document as Record<string, unknown>;
  const spec = Object.fromEntries(Object.entries(rest).filter(([field]) => !readOnlyFields[kind].includes(field)));
  return {
    spec: kind === 'network' && id !== undefined ? { ...spec, id } : spec,
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof version === 'number' ? { version } : {}),
  };
}
