import { type Static, Type } from 'typebox';

/**
 * How a host becomes a node. Over TLS, to a server whose certificate authority has the fingerprint that the join token carries; the answer
 * holds everything that the node's agent works with from then on.
 *
 * ```
 * agent: key pair ─► request with join token ─► control plane: node, certificate, user of Redis, user of etcd ─► answer
 * ```
 */
export const joinPaths = {
  /** GET, without credentials: the certificate of the authority, PEM. Worth nothing until its fingerprint is compared. */
  authority: '/v1/authority',
  /** POST, with a join token in the body. */
  join: '/v1/join',
  /** POST, with the node's certificate: a new one before the old one ends. */
  renew: (cluster: string, node: string): string => `/v1/agents/${encodeURIComponent(cluster)}/${encodeURIComponent(node)}/credentials`,
} as const;

/** `ptl-join.ID.SECRET.FINGERPRINT`: the last is the SHA-256 of the authority's certificate in DER. All are base64url. */
export interface JoinTokenParts {
  readonly id: string;
  readonly secret: string;
  readonly fingerprint: string;
}

const TOKEN = /^ptl-join\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

/** Undefined for what is no join token. */
export function joinTokenParts(token: string): JoinTokenParts | undefined {
  const [, id, secret, fingerprint] = TOKEN.exec(token.trim()) ?? [];
  return id === undefined || secret === undefined || fingerprint === undefined ? undefined : { id, secret, fingerprint };
}

export function joinTokenOf({ id, secret, fingerprint }: JoinTokenParts): string {
  return `ptl-join.${id}.${secret}.${fingerprint}`;
}

export const JoinRequestSchema = Type.Object(
  {
    protocol: Type.Integer(),
    token: Type.String({ maxLength: 300 }),
    /** Name of the node: of one that is made by this, or of one that exists and has no agent yet. */
    name: Type.String({ minLength: 1, maxLength: 200 }),
    /** Its address on the underlay. */
    address: Type.String({ maxLength: 15 }),
    /** PKCS #10, PEM. Only its public key counts. */
    request: Type.String({ maxLength: 8192 }),
  },
  { additionalProperties: false },
);
export type JoinRequest = Static<typeof JoinRequestSchema>;

export const RenewRequestSchema = Type.Object({ protocol: Type.Integer(), request: Type.String({ maxLength: 8192 }) }, { additionalProperties: false });
export type RenewRequest = Static<typeof RenewRequestSchema>;

/** Everything that an agent works with. Secret. */
export interface AgentCredentials {
  readonly cluster: string;
  readonly node: string;
  readonly nodeId: string;
  /** PEM. */
  readonly certificate: string;
  readonly authority: string;
  /** When the certificate ends. */
  readonly expiresAt: string;
  /** With user and password; null where the control plane gives none: then changes come by timer. */
  readonly redisUrl: string | null;
  /** An empty `user`: etcd asks nobody who he is. */
  readonly etcd: { readonly endpoints: readonly string[]; readonly user: string; readonly password: string } | null;
}
