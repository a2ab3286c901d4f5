import { createNoun, findNoun, parseSpec } from '@portolan/intent';
import { type Id, type Node, portolanError, type Snapshot } from '@portolan/model';
import { type AgentCredentials, type JoinRequest, JoinRequestSchema, joinTokenParts, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '@portolan/protocol';
import type { JoinToken, NodeCredential, NodeGrant } from '@portolan/store';
import { commitEdit } from '../commit.js';
import type { Context } from '../context.js';
import { parsed } from '../parse.js';
import { authorityIn } from './join-tokens.js';
import { agentCredentials, newNodeCredential } from './node-credentials.js';
import type { RefusalReason } from './principal.js';
import { isSameHash, secretHash } from './secrets.js';

/** A reason to refuse, for the audit; the caller is told less. */
export class JoinRefused extends Error {
  constructor(
    readonly reason: RefusalReason,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/**
 * Lets a host in. The order of the steps is what makes a failure harmless:
 *
 * ```
 * judge everything ─► users of Redis and etcd ─► one use of the token ─► the node, by a commit ─► its credential ─► answer
 * ```
 *
 * Until the commit nothing is seen of it: users without a credential are taken away by a task. Between the commit and the credential only the
 * database can fail; then there is a node like one that a person made, and the same host can still become it.
 */
export async function joinHost(ctx: Context, from: string, document: unknown): Promise<AgentCredentials> {
  const request = parsed(JoinRequestSchema, document);
  refuseProtocol(request.protocol);
  const authority = authorityIn(ctx);
  const token = await knownToken(ctx, request.token);
  const cluster = (await ctx.store.listClusters()).find(({ id }) => id === token.clusterId);
  if (cluster === undefined) throw new JoinRefused('join-token', 'the cluster is gone');

  const before = await ctx.store.snapshot(cluster.name);
  const made = ctx.newId();
  const enter = (snapshot: Snapshot): Snapshot => withHost(snapshot, request, token.role, made);
  const { id: nodeId } = hostIn(enter(before), request);
  await refuseSecondAgent(ctx, nodeId);
  const credential = await newNodeCredential(ctx, authority, { clusterId: token.clusterId, nodeId }, request.request);
  const names = { cluster: cluster.name, node: request.name };
  const actor = { name: `join:${token.id}`, from };
  const enters = async (): Promise<void> => {
    await refuseSecondAgent(ctx, nodeId);
    if ((await ctx.credentials.spendJoinToken(token.id, token.secretHash, ctx.clock.now().toISOString())) === null) {
      throw new JoinRefused('join-token', 'the token was used up meanwhile');
    }
    await commitEdit(ctx, actor, cluster.name, `join node ${request.name}`, (current) => {
      const after = enter(current);
      // Who has the name now is not whom the users above are of.
      if (hostIn(after, request).id !== nodeId) throw new JoinRefused('join-node', 'another host was faster');
      return after;
    });
    await ctx.credentials.addNodeCredential(credential.credential);
    await refuseTwins(ctx, credential.credential);
  };
  let grant: NodeGrant;
  try {
    grant = await ctx.access.grant({ ...names, nodeId, credential: credential.credential.id }, enters);
  } catch (error) {
    // The users of whoever was faster are made again.
    ctx.changes.notify('credentials', cluster.name);
    throw error;
  }
  ctx.log.info({ ...names, nodeId, token: token.id, from }, 'a host joined');
  ctx.changes.notify('credentials', cluster.name);
  return agentCredentials(authority, names, credential, grant);
}

export function refuseProtocol(protocol: number): void {
  if (protocol >= OLDEST_PROTOCOL_VERSION && protocol <= PROTOCOL_VERSION) return;
  throw portolanError(
    'protocol-unsupported',
    '/protocol',
    `this control plane speaks versions ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION} of the protocol, not ${protocol}`,
  );
}

/** Judged here without taking a use: a host that cannot join for another reason costs none. */
async function knownToken(ctx: Context, text: string): Promise<JoinToken> {
  const parts = joinTokenParts(text);
  if (parts === undefined) throw new JoinRefused('join-token', 'this is no join token');
  const token = await ctx.credentials.joinToken(parts.id);
  if (token === null || !isSameHash(token.secretHash, secretHash(parts.secret))) throw new JoinRefused('join-token', 'the token is not known');
  if (token.revokedAt !== null) throw new JoinRefused('join-token', 'the token is revoked');
  if (Date.parse(token.expiresAt) <= ctx.clock.now().getTime()) throw new JoinRefused('join-token', 'the token is over');
  if (token.usesLeft < 1) throw new JoinRefused('join-token', 'the token is used up');
  return token;
}

/** The snapshot with the host as a node: the one that has its name and its address already, or a new one. */
function withHost(snapshot: Snapshot, { name, address }: JoinRequest, role: Node['role'], id: Id): Snapshot {
  const known = findNoun(snapshot, 'node', name);
  if (known === undefined) return createNoun(snapshot, 'node', parseSpec('node', { name, address, role }), () => id);
  // The host with the address may be another one than the one with the name; and a token makes nobody more than it says.
  if (known.address !== address || known.role !== role) throw new JoinRefused('join-node', `node ${name} has another address or role`);
  return snapshot;
}

function hostIn(snapshot: Snapshot, { name }: JoinRequest): Node {
  const node = findNoun(snapshot, 'node', name);
  if (node === undefined) throw portolanError('internal', '', `node ${name} is not in the snapshot that it was put into`);
  return node;
}

/** Of two hosts that become one node at once, by two control planes, each sees the other one here, or at least one does: it withdraws, for both. */
async function refuseTwins(ctx: Context, { id, nodeId }: NodeCredential): Promise<void> {
  const now = ctx.clock.now();
  const others = (await validCredentials(ctx, nodeId)).filter((credential) => credential.id !== id);
  if (others.length === 0) return;
  await ctx.credentials.revokeNodeCredentials(nodeId, now.toISOString());
  ctx.believed.forget();
  throw new JoinRefused('join-node', 'two hosts became this node at once, and both are refused');
}

async function refuseSecondAgent(ctx: Context, nodeId: Id): Promise<void> {
  if ((await validCredentials(ctx, nodeId)).length > 0) throw new JoinRefused('join-node', 'the node has an agent with valid credentials');
}

async function validCredentials(ctx: Context, nodeId: Id): Promise<readonly NodeCredential[]> {
  const now = ctx.clock.now().getTime();
  return (await ctx.credentials.nodeCredentials(nodeId)).filter(({ revokedAt, expiresAt }) => revokedAt === null && Date.parse(expiresAt) > now);
}
