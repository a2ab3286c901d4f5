/** What the REST API answers about who may do what. */

export interface NewTokenAnswer {
  readonly id: string;
  /** Shown this once. */
  readonly token: string;
}

export interface NewJoinTokenAnswer extends NewTokenAnswer {
  readonly expiresAt: string;
  /** URL to join by; null where the control plane was not told. */
  readonly server: string | null;
}

interface TokenAnswer {
  readonly id: string;
  readonly role: string;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

export interface ApiTokenAnswer extends TokenAnswer {
  readonly name: string;
  /** null: all, those to come included. */
  readonly clusters: readonly string[] | null;
  /** null: never. */
  readonly expiresAt: string | null;
}

export interface JoinTokenAnswer extends TokenAnswer {
  readonly expiresAt: string;
  readonly usesLeft: number;
}

export interface NodeCredentialAnswer {
  /** Serial number of the certificate. */
  readonly id: string;
  readonly fingerprint: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
}

export interface RefusalAnswer {
  readonly at: string;
  readonly from: string;
  readonly actor: string | null;
  readonly method: string;
  readonly path: string;
  readonly reason: string;
}
