import type { Answer, Request } from './client.js';
import { CommandFailure, exitCodes, usageFailure } from './failure.js';
import type { Session } from './session.js';

/** One request asks the control plane to wait at most this many seconds, as proxies give up after 300 and less; a longer wait asks again. */
const LONGEST_REQUEST_S = 240;

export const waitOptions = {
  wait: { type: 'boolean', default: false, describe: 'Wait until every node has applied it' },
  timeout: { type: 'number', default: 60, describe: 'Seconds to wait at most' },
} as const;

/** `--wait`, or `--wait drained` and `--wait applied`, of what lets an endpoint leave. */
export const departureOptions = {
  wait: { type: 'string', describe: 'Wait until it is safe to stop the endpoint (drained, the default), or until every node has applied it (applied)' },
  timeout: waitOptions.timeout,
} as const;

export type Departure = 'drained' | 'applied';

/** What `--wait` asks for; by itself it asks for `otherwise`. */
export function departureOf(wait: string | undefined, otherwise: Departure): Departure | undefined {
  if (wait === undefined) return undefined;
  if (wait === '') return otherwise;
  if (wait === 'drained' || wait === 'applied') return wait;
  throw usageFailure(`--wait ${wait} is neither drained nor applied`, 'Write --wait drained or --wait applied.');
}

/**
 * Sends a request that itself waits, as often as its time needs. Fails with exit code 4 when the time is over; where the object is
 * gone when it asks again, answers undefined.
 */
export async function sendWaiting<T>(
  session: Session,
  path: string,
  request: Request,
  wait: Departure,
  timeoutSeconds: number,
): Promise<Answer<T> | undefined> {
  for (let left = timeoutSeconds; ; left -= LONGEST_REQUEST_S) {
    const timeout = Math.min(left, LONGEST_REQUEST_S);
    try {
      return await session.client.send<T>(path, { ...request, query: { ...request.query, wait, timeout }, waits: timeout * 1000 });
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      if (left < timeoutSeconds && error.problems.some(({ code }) => code === 'not-found')) return undefined;
      if (left <= LONGEST_REQUEST_S || error.exitCode !== exitCodes.waitTimeout) throw error;
    }
  }
}

/**
 * Waits until every node of the cluster has applied the revision, undefined: the newest. Fails with exit code 4 when the time is over.
 */
export async function waitForRevision(session: Session, revision: number | undefined, timeoutSeconds: number): Promise<unknown> {
  const path = await session.inCluster('wait');
  for (let left = timeoutSeconds; ; left -= LONGEST_REQUEST_S) {
    const timeout = Math.min(left, LONGEST_REQUEST_S);
    try {
      return (await session.client.send<unknown>(path, { query: { revision, timeout }, waits: timeout * 1000 })).body;
    } catch (error) {
      const again = left > LONGEST_REQUEST_S && error instanceof CommandFailure && error.exitCode === exitCodes.waitTimeout;
      if (!again) throw error;
    }
  }
}
