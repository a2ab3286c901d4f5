import mercurius, { type PersistedQueryProvider } from 'mercurius';

/** Queries that are kept; what was not asked for longest goes first. */
const MOST_KEPT = 1000;
/** Characters; a longer query has to be sent each time. */
export const LONGEST_KEPT = 32 * 1024;

/** Automatic persisted queries: a query that was sent once with its SHA-256 may be asked for by that alone. */
export function persistedQueries(): PersistedQueryProvider {
  const automatic = mercurius.persistedQueryDefaults.automatic(MOST_KEPT);
  return {
    ...automatic,
    saveQuery: async (hash, query) => (query.length > LONGEST_KEPT ? undefined : automatic.saveQuery?.(hash, query)),
  };
}
