import type { Id, Node } from '@portolan/model';

/** Secrets are held as their SHA-256 only: each has 256 bits of chance, so nothing slower is needed. */
export type SecretHash = string;

/** Lets hosts into a cluster. */
export interface JoinToken {
  readonly id: string;
  readonly clusterId: Id;
  readonly role: Node['role'];
  readonly secretHash: SecretHash;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  /** How many hosts may still join with it. */
  readonly usesLeft: number;
  readonly revokedAt: string | null;
}

/** A client certificate of a node's agent. Several of one node are valid while they are changed. */
export interface NodeCredential {
  /** Serial number of the certificate, hexadecimal. */
  readonly id: string;
  readonly nodeId: Id;
  readonly clusterId: Id;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
}

export type ApiRole = 'viewer' | 'operator' | 'admin';

/** Of a person or of a program that uses the API. */
export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly role: ApiRole;
  /** Names of the clusters that it is for; null: all, those to come included. */
  readonly clusters: readonly string[] | null;
  readonly secretHash: SecretHash;
  readonly createdBy: string;
  readonly createdAt: string;
  /** null: never. */
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

/** A request that was refused for want of credentials. */
export interface Refusal {
  readonly at: string;
  /** Address of the caller. */
  readonly from: string;
  /** Whose credentials it had; null: none that are known. */
  readonly actor: string | null;
  readonly method: string;
  /** Path of the request without its query, at most 200 characters. */
  readonly path: string;
  readonly reason: string;
}

/** Who may do what. Every method fails with `store-unavailable` when the database cannot be reached. */
export interface CredentialStore {
  addJoinToken(token: JoinToken): Promise<void>;
  joinToken(id: string): Promise<JoinToken | null>;
  /** Newest first. */
  joinTokens(cluster: Id): Promise<readonly JoinToken[]>;
  /** Takes one use of a token whose hash this is and that is neither over, used up nor revoked; null otherwise. */
  spendJoinToken(id: string, secretHash: SecretHash, now: string): Promise<JoinToken | null>;
  revokeJoinToken(cluster: Id, id: string, now: string): Promise<boolean>;

  addNodeCredential(credential: NodeCredential): Promise<void>;
  nodeCredentials(nodeId: Id): Promise<readonly NodeCredential[]>;
  nodeCredential(id: string): Promise<NodeCredential | null>;
  /** Of all nodes: those that are neither over nor revoked, oldest first. */
  validNodeCredentials(now: string): Promise<readonly NodeCredential[]>;
  /** All that are valid of a node, but `except`; how many it was. */
  revokeNodeCredentials(nodeId: Id, now: string, except?: string): Promise<number>;

  /** Fails with `duplicate-name`. */
  addApiToken(token: ApiToken): Promise<void>;
  apiTokens(): Promise<readonly ApiToken[]>;
  apiToken(id: string): Promise<ApiToken | null>;
  revokeApiToken(id: string, now: string): Promise<boolean>;

  /** Keeps the newest ten thousand. */
  addRefusals(refusals: readonly Refusal[]): Promise<void>;
  /** Newest first. */
  refusals(limit: number): Promise<readonly Refusal[]>;

  close(): Promise<void>;
}

/** What an agent is told so that it can reach the two other servers. */
export interface NodeGrant {
  /** With user and password; null where none can be given. */
  readonly redisUrl: string | null;
  /** `user` is empty where etcd asks nobody who he is. */
  readonly etcd: { readonly endpoints: readonly string[]; readonly user: string; readonly password: string } | null;
}

/** A node as its users of Redis and etcd know it. */
export interface GrantedNode {
  readonly cluster: string;
  readonly node: string;
  readonly nodeId: Id;
  /** Credential whose passwords count. They follow from it, so that they can be set again, and another one ends them. */
  readonly credential: string;
}

/**
 * Users of Redis and etcd, one of each a node: they can touch the node's own queue, its own liveness key, and read the revision of its
 * cluster. Methods fail with `store-unavailable`.
 */
export interface NodeAccess {
  /**
   * Makes the users, or changes their passwords. Idempotent. `noted`: what makes them wanted; no comparison of this process comes in between,
   * and when it fails they are deleted again.
   */
  grant(node: GrantedNode, noted?: () => Promise<void>): Promise<NodeGrant>;
  /** Deletes the users, which ends their connections to Redis at once, and the node's liveness key. Idempotent. */
  revoke(nodeId: Id): Promise<void>;
  /**
   * Makes the users what they should be: of those nodes and no others. It reads who is there before it asks `wanted`. Redis forgets its
   * users when it starts again, unless it has a file for them.
   */
  reconcile(wanted: () => Promise<readonly GrantedNode[]>): Promise<void>;
  close(): Promise<void>;
}
