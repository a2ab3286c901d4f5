import { watchOutage } from '../outage.js';
import type { StoreLog } from '../ports.js';
import type { Connections } from './connections.js';
import { CallerFailure, isOutage, portolanErrorOf } from './failures.js';

/** Runs one call of a port: its failures are those of the model, and an outage is told of once. */
export type Run = <T>(work: () => Promise<T>) => Promise<T>;

export function callsOf(connections: Connections, log: StoreLog | undefined): Run {
  const outage = watchOutage('PostgreSQL', log);
  return async (work) => {
    try {
      const result = await connections.watched(work);
      outage.recovered();
      return result;
    } catch (error) {
      if (error instanceof CallerFailure) throw error.thrown;
      if (isOutage(error)) outage.failed(error);
      throw portolanErrorOf(error);
    }
  };
}
