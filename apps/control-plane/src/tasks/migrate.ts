import type { IntentStore } from '@portolan/store';
import type { Clock, Log } from '../application/context.js';

const RETRY_MS = 1000;

export interface Migration {
  /** Why the database cannot be used yet, or null when it can. */
  pending(): string | null;
  /** Resolves when the schema is up to date, or when the signal aborts. */
  readonly done: Promise<void>;
}

/** Brings the schema up to date, as soon as the database answers. */
export function startMigration(store: IntentStore, clock: Clock, log: Log, signal: AbortSignal): Migration {
  let reason: string | null = 'the database is being brought up to date';

  async function migrate(): Promise<void> {
    while (!signal.aborted) {
      try {
        const applied = await store.migrate();
        if (applied.length > 0) log.info({ migrations: applied }, 'database is up to date');
        reason = null;
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== reason) log.warn({ err: error }, `database is not ready, trying again every second: ${message}`);
        reason = message;
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  return { pending: () => reason, done: migrate() };
}
