import { NameSchema, RoleSchema } from '@portolan/model';
import { type TSchema, Type } from 'typebox';

const closed = { additionalProperties: false } as const;
const time = (description: string): TSchema => Type.String({ format: 'date-time', description });
const timeOrNever = (description: string): TSchema => Type.Union([time(description), Type.Null()]);
const revokedAt = timeOrNever('null: it is not revoked.');

/** What is told of credentials. Secrets are in none but those that are answered when one is made. */
export const credentialComponents = {
  ApiToken: Type.Object(
    {
      id: Type.String(),
      name: Type.String(),
      role: Type.Union([Type.Literal('viewer'), Type.Literal('operator'), Type.Literal('admin')]),
      clusters: Type.Union([Type.Array(NameSchema), Type.Null()], { description: 'null: all, those to come included.' }),
      createdBy: Type.String(),
      createdAt: time('When it was made.'),
      expiresAt: timeOrNever('null: it lasts until it is revoked.'),
      revokedAt,
    },
    closed,
  ),
  JoinToken: Type.Object(
    {
      id: Type.String(),
      role: RoleSchema,
      createdBy: Type.String(),
      createdAt: time('When it was made.'),
      expiresAt: time('When it ends.'),
      usesLeft: Type.Integer({ minimum: 0, description: 'Hosts that may still join with it.' }),
      revokedAt,
    },
    closed,
  ),
  NewJoinToken: Type.Object(
    {
      id: Type.String(),
      token: Type.String(),
      expiresAt: time('When it ends.'),
      server: Type.Union([Type.String(), Type.Null()], { description: 'URL to join by; null where none is configured (PORTOLAN_PUBLIC_URL).' }),
    },
    closed,
  ),
  NodeCredential: Type.Object(
    {
      id: Type.String({ description: 'Serial number of the certificate, hexadecimal.' }),
      fingerprint: Type.String({ description: 'SHA-256 of the certificate, hexadecimal.' }),
      issuedAt: time('When it was made.'),
      expiresAt: time('When it ends.'),
      revokedAt,
    },
    closed,
  ),
  AgentCredentials: Type.Object(
    {
      cluster: NameSchema,
      node: NameSchema,
      nodeId: Type.String(),
      certificate: Type.String({ description: 'PEM.' }),
      authority: Type.String({ description: 'PEM: what the control plane is verified by.' }),
      expiresAt: time('When the certificate ends.'),
      redisUrl: Type.Union([Type.String(), Type.Null()]),
      etcd: Type.Union([Type.Object({ endpoints: Type.Array(Type.String()), user: Type.String(), password: Type.String() }), Type.Null()]),
    },
    closed,
  ),
  Refusal: Type.Object(
    {
      at: time('When it was refused.'),
      from: Type.String({ description: 'Address of the caller.' }),
      actor: Type.Union([Type.String(), Type.Null()], { description: 'Whose credentials it had; null: none that are known.' }),
      method: Type.String(),
      path: Type.String(),
      reason: Type.String(),
    },
    closed,
  ),
} as const;
