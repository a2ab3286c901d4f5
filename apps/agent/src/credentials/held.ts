import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { portolanError } from '@portolan/model';
import type { AgentCredentials } from '@portolan/protocol';
import { writeDurably } from '../durable-file.js';

/** What the agent of a node that has joined works with. Secret. */
export interface HeldCredentials extends AgentCredentials {
  /** Base URL of the control plane. */
  readonly server: string;
  /** PKCS #8, PEM: of the certificate. */
  readonly privateKey: string;
}

export interface CredentialsFile {
  readonly path: string;
  /** Undefined where there is none. Fails with `invalid-document` for one that cannot be read. */
  read(): Promise<HeldCredentials | undefined>;
  write(held: HeldCredentials): Promise<void>;
}

const FORMAT = 1;

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw new Error(`"${name}" is no text`);
  return value;
}

function etcdOf(value: unknown): AgentCredentials['etcd'] {
  if (value === null) return null;
  if (!isFields(value) || !Array.isArray(value.endpoints)) throw new Error('"etcd" is not as it should be');
  const endpoints = value.endpoints.map((_, i) => textOf(value.endpoints as Fields, String(i)));
  if (endpoints.length === 0) throw new Error('"etcd" has no endpoints');
  const { user, password } = value;
  // Both are empty for an etcd that asks nobody who he is.
  if (typeof user !== 'string' || typeof password !== 'string') throw new Error('"etcd" has no user');
  return { endpoints, user, password };
}

/**
 * Credentials from a document that has them, with the key that the certificate is for. Fails with `invalid-document` for anything else: also
 * for a certificate of another key, or of another authority.
 */
export function heldCredentials(document: unknown, { server, privateKey }: Pick<HeldCredentials, 'server' | 'privateKey'>, from: string): HeldCredentials {
  try {
    if (!isFields(document)) throw new Error('it is no object');
    const certificate = textOf(document, 'certificate');
    // Only one certificate counts, whatever stands behind it in the same text.
    const authority = new X509Certificate(textOf(document, 'authority'));
    const leaf = new X509Certificate(certificate);
    if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) throw new Error('the certificate is of another key');
    if (!leaf.verify(authority.publicKey)) throw new Error('the certificate is not of its authority');
    return {
      cluster: textOf(document, 'cluster'),
      node: textOf(document, 'node'),
      nodeId: textOf(document, 'nodeId'),
      certificate,
      authority: authority.toString(),
      expiresAt: new Date(leaf.validTo).toISOString(),
      redisUrl: document.redisUrl === null ? null : textOf(document, 'redisUrl'),
      etcd: etcdOf(document.etcd),
      server,
      privateKey,
    };
  } catch (cause) {
    throw portolanError('invalid-document', '', `${from}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      fix: 'Make a join token (portolan token create), and start the agent once with --join.',
    });
  }
}

/** Moments from which and until which a certificate counts, in milliseconds since 1970. */
export function lifeOf({ certificate }: Pick<HeldCredentials, 'certificate'>): { readonly from: number; readonly until: number } {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { from: Date.parse(validFrom), until: Date.parse(validTo) };
}

/** Credentials in one file that only its owner reads. */
export function credentialsFile(path: string): CredentialsFile {
  return {
    path,
    read: async () => {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (cause) {
        if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
        throw portolanError('invalid-document', '', `${path} cannot be read: ${String(cause)}`, { cause, fix: 'Run the agent as the owner of the file.' });
      }
      let document: unknown;
      try {
        document = JSON.parse(text);
        if (!isFields(document) || document.format !== FORMAT) throw new Error('unknown format');
        return heldCredentials(document, { server: textOf(document, 'server'), privateKey: textOf(document, 'privateKey') }, path);
      } catch (cause) {
        throw portolanError('invalid-document', '', `${path} is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, {
          cause,
          fix: 'Remove it, make a join token (portolan token create), and start the agent once with --join.',
        });
      }
    },
    write: (held) => writeDurably(path, JSON.stringify({ format: FORMAT, ...held })),
  };
}
