import { portolanError } from '@portolan/model';
import type { ApiRole } from '@portolan/store';

/** Who asks. */
export type Principal =
  /** By the token of the environment, or on a listener that asks nobody: may do everything, also what agents do. */
  | { readonly kind: 'bootstrap' }
  /** A person or a program, by an API token. `clusters` null: all. */
  | { readonly kind: 'person'; readonly id: string; readonly name: string; readonly role: ApiRole; readonly clusters: readonly string[] | null }
  /** The agent of a node, by its certificate. `credential`: serial number. */
  | { readonly kind: 'node'; readonly clusterId: string; readonly nodeId: string; readonly credential: string }
  /** Without any credentials. */
  | { readonly kind: 'nobody' };

/** What a caller must be: a person of at least this role, the agent that the path names, or anybody. */
export type Needs = ApiRole | 'agent' | 'nothing';

export const needs: readonly Needs[] = ['nothing', 'viewer', 'operator', 'admin', 'agent'];

const rank: Readonly<Record<ApiRole, number>> = { viewer: 1, operator: 2, admin: 3 };

/** Why a request is refused; a label of the metric, never told to the caller. */
export type RefusalReason =
  | 'no-credentials'
  | 'unknown-token'
  | 'expired-token'
  | 'revoked-token'
  | 'unknown-certificate'
  | 'revoked-certificate'
  | 'role'
  | 'cluster'
  | 'not-its-own'
  | 'renewal'
  | 'join-token'
  | 'join-without-tls'
  | 'join-node'
  | 'too-many';

/** Whether a person sees a cluster at all. */
export function isInScope(principal: Principal, cluster: string): boolean {
  if (principal.kind === 'bootstrap') return true;
  return principal.kind === 'person' && (principal.clusters === null || principal.clusters.includes(cluster));
}

/**
 * Why a person may not do what asks for `role` in a cluster, undefined when they may; `cluster` undefined: what is not of one cluster. To
 * read that is open to every viewer, and shows what is in their clusters; to change it needs a token for all clusters.
 */
export function refusalOf(principal: Principal, role: ApiRole, cluster: string | undefined): RefusalReason | undefined {
  if (principal.kind === 'bootstrap') return undefined;
  if (principal.kind === 'nobody') return 'no-credentials';
  if (principal.kind === 'node') return 'not-its-own';
  // The cluster first: what is said of the role must not depend on whether the cluster exists.
  if (cluster === undefined ? role !== 'viewer' && principal.clusters !== null : !isInScope(principal, cluster)) return 'cluster';
  return rank[principal.role] < rank[role] ? 'role' : undefined;
}

/** For the log and the list of refusals; null: nobody that is known. */
export function nameOf(principal: Principal): string | null {
  switch (principal.kind) {
    case 'bootstrap':
      return 'bootstrap';
    case 'person':
      return principal.name;
    case 'node':
      return `node:${principal.nodeId}`;
    case 'nobody':
      return null;
  }
}

/** What a caller is told. It is the same for everything that they may not do, so it tells nothing about what exists. */
export function refusalError(reason: RefusalReason): ReturnType<typeof portolanError> {
  switch (reason) {
    case 'no-credentials':
      return portolanError('unauthorized', '', 'a token is required');
    case 'unknown-token':
    case 'expired-token':
    case 'revoked-token':
      return portolanError('unauthorized', '', 'the token is not valid');
    case 'unknown-certificate':
    case 'revoked-certificate':
      return portolanError('unauthorized', '', 'the certificate is not valid', { fix: 'Join the node again (portolan token create, portolan agent --join).' });
    case 'join-token':
    case 'join-without-tls':
    case 'join-node':
    case 'too-many':
      return portolanError('join-refused', '', 'this host may not join');
    case 'renewal':
      return portolanError('forbidden', '', 'the certificate is not renewed yet', { fix: 'Ask again when half of its time is over.' });
    default:
      return portolanError('forbidden', '', 'this caller may not do that');
  }
}
