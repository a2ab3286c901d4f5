import type { Refusal } from '@portolan/store';
import type { ShownApiToken } from '../application/credentials/api-tokens.js';
import type { NewJoinToken, ShownJoinToken } from '../application/credentials/join-tokens.js';
import type { ShownCredential } from '../application/credentials/node-credentials.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';

/** What is told of credentials. Secrets are in none but those that are answered when one is made. */
export function credentialTypes(builder: Builder, inputs: InputTypes) {
  const tokenRole = inputs.enumOf('TokenRole', ['viewer', 'operator', 'admin']);
  const nodeRole = inputs.enumOf('Role', ['manager', 'worker']);
  const token = builder.objectRef<ShownApiToken>('ApiToken').implement({
    description: 'A token of a person or a program.',
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name'),
      role: t.field({ type: tokenRole, resolve: ({ role }) => role }),
      clusters: t.stringList({
        nullable: true,
        description: 'null: all, those to come included.',
        resolve: ({ clusters }) => (clusters === null ? null : [...clusters]),
      }),
      createdBy: t.exposeString('createdBy'),
      createdAt: t.exposeString('createdAt'),
      expiresAt: t.exposeString('expiresAt', { nullable: true, description: 'null: it lasts until it is revoked.' }),
      revokedAt: t.exposeString('revokedAt', { nullable: true }),
    }),
  });
  const newToken = builder.objectRef<{ readonly id: string; readonly token: string }>('NewApiToken').implement({
    fields: (t) => ({ id: t.exposeID('id'), token: t.exposeString('token', { description: 'It is shown this once: only its SHA-256 is kept.' }) }),
  });
  const joinToken = builder.objectRef<ShownJoinToken>('JoinToken').implement({
    description: 'A token that lets hosts into a cluster.',
    fields: (t) => ({
      id: t.exposeID('id'),
      role: t.field({ type: nodeRole, resolve: ({ role }) => role }),
      createdBy: t.exposeString('createdBy'),
      createdAt: t.exposeString('createdAt'),
      expiresAt: t.exposeString('expiresAt'),
      usesLeft: t.exposeInt('usesLeft', { description: 'Hosts that may still join with it.' }),
      revokedAt: t.exposeString('revokedAt', { nullable: true }),
    }),
  });
  const newJoinToken = builder.objectRef<NewJoinToken>('NewJoinToken').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      token: t.exposeString('token', { description: 'It is shown this once.' }),
      expiresAt: t.exposeString('expiresAt'),
      server: t.exposeString('server', { nullable: true, description: 'URL to join by; null where none is configured (PORTOLAN_PUBLIC_URL).' }),
    }),
  });
  const nodeCredential = builder.objectRef<ShownCredential>('NodeCredential').implement({
    description: 'A certificate of a node.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Serial number, hexadecimal.' }),
      fingerprint: t.exposeString('fingerprint', { description: 'SHA-256, hexadecimal.' }),
      issuedAt: t.exposeString('issuedAt'),
      expiresAt: t.exposeString('expiresAt'),
      revokedAt: t.exposeString('revokedAt', { nullable: true }),
    }),
  });
  const refusal = builder.objectRef<Refusal>('Refusal').implement({
    description: 'A request that was refused for want of credentials.',
    fields: (t) => ({
      at: t.exposeString('at'),
      from: t.exposeString('from', { description: 'Address of the caller.' }),
      actor: t.exposeString('actor', { nullable: true, description: 'Whose credentials it had; null: none that are known.' }),
      method: t.exposeString('method'),
      path: t.exposeString('path'),
      reason: t.exposeString('reason'),
    }),
  });
  return { tokenRole, nodeRole, token, newToken, joinToken, newJoinToken, nodeCredential, refusal };
}
