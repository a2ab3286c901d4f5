import { applyManifest, type NewId, parseManifest, rollbackEdit } from '@portolan/intent';
import { type PortolanError, portolanError, type Snapshot } from '@portolan/model';
import type { ChangeDocument } from '@portolan/store';
import { Type } from 'typebox';
import type { Edit } from './commit.js';
import type { Context } from './context.js';
import { parsed, withPaths } from './parse.js';
import { refuseSharedPrefix } from './shared-prefix.js';
import { revisionToRestore } from './wishes.js';

const closed = { additionalProperties: false } as const;

export const RollbackSchema = Type.Object(
  {
    to: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Back to what was wanted at this revision; at the one before the newest that somebody made, unless given.' }),
    ),
  },
  closed,
);

export const NewChangesetSchema = Type.Object(
  {
    manifest: Type.Optional(Type.Unknown({ description: 'As for PUT …/manifest.' })),
    rollback: Type.Optional(RollbackSchema),
    force: Type.Optional(Type.Boolean({ default: false, description: 'Delete endpoints at once instead of draining them.' })),
    summary: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'What it is for, in words.' })),
  },
  closed,
);

/** What a request asks for. Throws what is wrong with it. */
export async function documentFrom(ctx: Context, cluster: string, request: unknown): Promise<{ readonly document: ChangeDocument; readonly summary: string }> {
  const { manifest, rollback, force = false, summary } = parsed(NewChangesetSchema, request ?? {});
  if (manifest !== undefined && rollback === undefined) return { document: { kind: 'manifest', manifest, force }, summary: summary ?? 'apply manifest' };
  if (rollback === undefined || manifest !== undefined) throw notOne();
  const to = rollback.to ?? (await revisionToRestore(ctx, cluster));
  return { document: { kind: 'rollback', to, force }, summary: summary ?? rollbackSummary(to) };
}

export function rollbackSummary(to: number): string {
  return `roll back to revision ${to}`;
}

function notOne(): PortolanError {
  return portolanError('invalid-document', '', 'a changeset is either of a manifest or of a rollback', { fix: 'Send one of "manifest" and "rollback".' });
}

/** Makes the edit that a document asks for, on whatever snapshot. Throws what is wrong with the document. */
export async function editOf(ctx: Context, cluster: string, document: ChangeDocument): Promise<(newId: NewId) => Edit> {
  const now = ctx.clock.now().getTime();
  const { force = false } = document;
  if (document.kind === 'rollback') {
    const past = await ctx.store.snapshotAt(cluster, document.to);
    return (newId) => (snapshot) => rollbackEdit(snapshot, past, newId, { now, force });
  }
  const inManifest = (path: string): string => `/manifest${path}`;
  const manifest = withPaths(inManifest, () => parseManifest(document.manifest));
  if (manifest.flannel != null) await refuseSharedPrefix(ctx, cluster, manifest.flannel.prefix, '/manifest/flannel');
  return (newId) => (snapshot: Snapshot) => withPaths(inManifest, () => applyManifest(snapshot, manifest, newId, { now, force }));
}
