import { CommandFailure, exitCodes } from './failure.js';
import type { Session } from './session.js';

/** One request asks the control plane to wait at most this many seconds, as fetch gives up after 300; a longer wait asks again. */
const LONGEST_REQUEST_S = 240;

export const waitOptions = {
  wait: { type: 'boolean', default: false, describe: 'Wait until every node has applied it' },
  timeout: { type: 'number', default: 60, describe: 'Seconds to wait at most' },
} as const;

/**
 * Waits until every node of the cluster has applied the revision. Fails with exit code 4 when the time is over.
 */
export async function waitForRevision(session: Session, revision: number, timeoutSeconds: number): Promise<unknown> {
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
