import type { Snapshot } from '@portolan/model';
import { type AgentCredentials, RenewRequestSchema } from '@portolan/protocol';
import type { Context } from '../context.js';
import { parsed } from '../parse.js';
import { refuseProtocol } from './join.js';
import { authorityIn } from './join-tokens.js';
import { agentCredentials, newNodeCredential } from './node-credentials.js';
import type { Principal } from './principal.js';

/** One that asks again and again gets no more than one certificate in this time. */
const PAUSE_MS = 10_000;

/**
 * A new certificate for the agent of a node, and new passwords. Undefined while it is too early: the first half of the time of the one before.
 * That one stays valid to its end, so an answer that was lost can be asked for again; the one that was lost with it is revoked then.
 */
export async function renewCredentials(
  ctx: Context,
  principal: Principal & { readonly kind: 'node' },
  snapshot: Snapshot,
  document: unknown,
): Promise<AgentCredentials | undefined> {
  const { protocol, request } = parsed(RenewRequestSchema, document);
  refuseProtocol(protocol);
  const authority = authorityIn(ctx);
  const node = snapshot.nodes.get(principal.nodeId);
  const known = await ctx.credentials.nodeCredentials(principal.nodeId);
  const held = known.find(({ id }) => id === principal.credential);
  const now = ctx.clock.now();
  if (node === undefined || held === undefined || now.getTime() < (Date.parse(held.issuedAt) + Date.parse(held.expiresAt)) / 2) return undefined;
  if (known.some(({ id, issuedAt }) => id !== held.id && now.getTime() - Date.parse(issuedAt) < PAUSE_MS)) return undefined;

  const renewed = await newNodeCredential(ctx, authority, { clusterId: snapshot.cluster.id, nodeId: node.id }, request);
  await ctx.credentials.revokeNodeCredentials(node.id, now.toISOString(), held.id);
  await ctx.credentials.addNodeCredential(renewed.credential);
  ctx.believed.forget();
  const names = { cluster: snapshot.cluster.name, node: node.name };
  const grant = await ctx.access.grant({ ...names, nodeId: node.id, credential: renewed.credential.id });
  ctx.log.info({ ...names, credential: renewed.credential.id, expiresAt: renewed.credential.expiresAt }, 'renew credentials of a node');
  return agentCredentials(authority, names, renewed, grant);
}
