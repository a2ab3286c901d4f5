import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { SecretHash } from '@portolan/store';

const API_TOKEN = /^ptl\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/;

/** 256 bits of chance, base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Of a credential; 72 bits of chance. */
export function newCredentialId(): string {
  return randomBytes(9).toString('base64url');
}

export function secretHash(secret: string): SecretHash {
  return createHash('sha256').update(secret).digest('hex');
}

/** Takes as long whatever differs. */
export function isSameHash(a: SecretHash, b: SecretHash): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

export function apiTokenOf(id: string, secret: string): string {
  return `ptl.${id}.${secret}`;
}

/** Undefined for what is no token of ours. */
export function apiTokenParts(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = API_TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}
