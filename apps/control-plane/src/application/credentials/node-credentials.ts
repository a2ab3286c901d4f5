import type { X509Certificate } from 'node:crypto';
import type { Id, Snapshot } from '@portolan/model';
import type { AgentCredentials } from '@portolan/protocol';
import type { GrantedNode, NodeCredential } from '@portolan/store';
import type { Actor } from '../actor.js';
import type { Context } from '../context.js';
import { objectNamed } from '../objects.js';
import type { Authority } from './authority.js';
import { fingerprintOf, requestedKey, serialOf } from './certificates.js';

/** Seven days. */
const LIFETIME_MS = 604_800_000;

export interface NewNodeCredential {
  readonly credential: NodeCredential;
  readonly certificate: X509Certificate;
}

/** A certificate for the key of a request, not yet noted anywhere. Throws `invalid-document`. */
export async function newNodeCredential(
  ctx: Context,
  authority: Authority,
  node: { readonly clusterId: Id; readonly nodeId: Id },
  request: string,
): Promise<NewNodeCredential> {
  const now = ctx.clock.now();
  const until = new Date(now.getTime() + LIFETIME_MS);
  const certificate = await authority.certify(node, await requestedKey(request), now, until);
  return {
    certificate,
    credential: {
      id: serialOf(certificate),
      ...node,
      fingerprint: fingerprintOf(certificate),
      issuedAt: now.toISOString(),
      expiresAt: new Date(certificate.validTo).toISOString(),
      revokedAt: null,
    },
  };
}

export function agentCredentials(
  authority: Authority,
  names: { readonly cluster: string; readonly node: string },
  { credential, certificate }: NewNodeCredential,
  grant: Pick<AgentCredentials, 'redisUrl' | 'etcd'>,
): AgentCredentials {
  const { nodeId, expiresAt } = credential;
  return { ...names, nodeId, certificate: certificate.toString(), authority: authority.certificate, expiresAt, ...grant };
}

export type ShownCredential = Omit<NodeCredential, 'nodeId' | 'clusterId'>;

/** Newest first. Throws `not-found`. */
export async function listNodeCredentials(ctx: Context, snapshot: Snapshot, name: string): Promise<readonly ShownCredential[]> {
  const credentials = await ctx.credentials.nodeCredentials(objectNamed(snapshot, 'node', name).id);
  return credentials.map(({ nodeId: _node, clusterId: _cluster, ...shown }) => shown);
}

/** Cuts the agent of a node off, everywhere; how many credentials were valid until now. Throws `not-found`. */
export async function revokeNode(ctx: Context, actor: Actor, snapshot: Snapshot, name: string): Promise<number> {
  const { id } = objectNamed(snapshot, 'node', name);
  const revoked = await ctx.credentials.revokeNodeCredentials(id, ctx.clock.now().toISOString());
  ctx.believed.forget();
  ctx.log.info({ cluster: snapshot.cluster.name, node: name, revoked, actor: actor.name, from: actor.from }, 'revoke credentials of a node');
  try {
    await ctx.access.revoke(id);
  } catch (error) {
    // It is revoked; the task that compares users with credentials goes on until they are gone.
    ctx.log.warn({ node: name, error: error instanceof Error ? error.message : String(error) }, 'users of a node that is cut off are there still');
  }
  ctx.changes.notify('credentials', snapshot.cluster.name);
  return revoked;
}

/**
 * The nodes that should have users, each by its newest credential. Credentials of nodes that are gone are revoked here: a node is always
 * there before its first credential.
 */
export async function grantedNodes(ctx: Context): Promise<readonly GrantedNode[]> {
  const now = ctx.clock.now().toISOString();
  const newest = new Map((await ctx.credentials.validNodeCredentials(now)).map((credential) => [credential.nodeId, credential]));
  const wanted = new Set([...newest.values()].map(({ clusterId }) => clusterId));
  const granted: GrantedNode[] = [];
  for (const { id, name } of await ctx.store.listClusters()) {
    if (!wanted.has(id)) continue;
    const snapshot = await ctx.store.snapshot(name);
    // One that was made anew under the name meanwhile is another cluster.
    if (snapshot.cluster.id !== id) continue;
    for (const credential of newest.values()) {
      const node = snapshot.nodes.get(credential.nodeId);
      if (node !== undefined) granted.push({ cluster: name, node: node.name, nodeId: node.id, credential: credential.id });
    }
  }
  const there = new Set(granted.map(({ nodeId }) => nodeId));
  for (const nodeId of newest.keys()) {
    if (there.has(nodeId)) continue;
    await ctx.credentials.revokeNodeCredentials(nodeId, now);
    ctx.believed.forget();
    ctx.log.info({ nodeId }, 'revoke credentials of a node that is gone');
  }
  return granted;
}
