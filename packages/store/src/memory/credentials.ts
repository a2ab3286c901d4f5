import { portolanError } from '@portolan/model';
import type { ApiToken, CredentialStore, JoinToken, NodeCredential, Refusal } from '../credentials.js';
import { KEPT_REFUSALS } from '../history.js';

function isValidAt(now: string): (credential: { readonly expiresAt: string; readonly revokedAt: string | null }) => boolean {
  return ({ expiresAt, revokedAt }) => revokedAt === null && Date.parse(expiresAt) > Date.parse(now);
}

function refuseDuplicate(known: ReadonlyMap<string, unknown>, id: string): void {
  if (known.has(id)) throw portolanError('internal', '', `credential ${id} is there already`);
}

/** Credentials that are gone with the process. */
export function openMemoryCredentials(): CredentialStore {
  const joinTokens = new Map<string, JoinToken>();
  const nodeCredentials = new Map<string, NodeCredential>();
  const apiTokens = new Map<string, ApiToken>();
  let refusals: readonly Refusal[] = [];

  return {
    async addJoinToken(token) {
      refuseDuplicate(joinTokens, token.id);
      joinTokens.set(token.id, token);
    },
    joinToken: async (id) => joinTokens.get(id) ?? null,
    joinTokens: async (cluster) => [...joinTokens.values()].filter(({ clusterId }) => clusterId === cluster).sort(newestFirst('createdAt')),
    async spendJoinToken(id, secretHash, now) {
      const token = joinTokens.get(id);
      if (token === undefined || token.secretHash !== secretHash || token.usesLeft < 1 || !isValidAt(now)(token)) return null;
      const used = { ...token, usesLeft: token.usesLeft - 1 };
      joinTokens.set(id, used);
      return used;
    },
    async revokeJoinToken(cluster, id, now) {
      const token = joinTokens.get(id);
      if (token === undefined || token.clusterId !== cluster || token.revokedAt !== null) return false;
      joinTokens.set(id, { ...token, revokedAt: now });
      return true;
    },

    async addNodeCredential(credential) {
      refuseDuplicate(nodeCredentials, credential.id);
      nodeCredentials.set(credential.id, credential);
    },
    nodeCredentials: async (node) => [...nodeCredentials.values()].filter(({ nodeId }) => nodeId === node).sort(newestFirst('issuedAt')),
    nodeCredential: async (id) => nodeCredentials.get(id) ?? null,
    validNodeCredentials: async (now) =>
      [...nodeCredentials.values()].filter(isValidAt(now)).sort((a, b) => Date.parse(a.issuedAt) - Date.parse(b.issuedAt) || (a.id < b.id ? -1 : 1)),
    async revokeNodeCredentials(nodeId, now, except) {
      const valid = [...nodeCredentials.values()].filter(
        (credential) => credential.nodeId === nodeId && credential.id !== except && isValidAt(now)(credential),
      );
      for (const credential of valid) nodeCredentials.set(credential.id, { ...credential, revokedAt: now });
      return valid.length;
    },

    async addApiToken(token) {
      if ([...apiTokens.values()].some(({ name }) => name === token.name)) throw portolanError('duplicate-name', '', 'another token has this name');
      refuseDuplicate(apiTokens, token.id);
      apiTokens.set(token.id, token);
    },
    apiTokens: async () => [...apiTokens.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    apiToken: async (id) => apiTokens.get(id) ?? null,
    async revokeApiToken(id, now) {
      const token = apiTokens.get(id);
      if (token === undefined || token.revokedAt !== null) return false;
      apiTokens.set(id, { ...token, revokedAt: now });
      return true;
    },

    async addRefusals(added) {
      refusals = [...refusals, ...added].slice(-KEPT_REFUSALS);
    },
    refusals: async (limit) => [...refusals].reverse().slice(0, limit),

    close: async () => undefined,
  };
}

function newestFirst<F extends string>(field: F): (a: Readonly<Record<F | 'id', string>>, b: Readonly<Record<F | 'id', string>>) => number {
  return (a, b) => Date.parse(b[field]) - Date.parse(a[field]) || (a.id < b.id ? -1 : 1);
}
