import { CommandFailure, exitCodes } from './failure.js';
import type { Session } from './session.js';

/** One request asks the control plane to wait at most this many seconds; a longer wait asks again. */
const LONGEST_REQUEST_S = 30;

export const waitOptions = {
  wait: { type: 'boolean', default: false, describe: 'Wait until every node has applied it' },
  timeout: { type: 'number', default: 60, describe: 'Seconds to wait at most' },
} as const;

/**
 * Waits until every node of the cluster has applied the revision. Fails with exit code 4 when the time is over.
 */
export async function waitForRevision(session: Session, revision: number, timeoutSeconds: number): Promise<unknown> {
  const path = await session.inCluster('wait');
  const end = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    const left = (end - performance.now()) / 1000;
    const timeout = Math.max(1, Math.min(LONGEST_REQUEST_S, Math.ceil(left)));
    try {
      const answer = await session.client.send<unknown>(path, { query: { revision, timeout }, waits: timeout * 1000 });
      return answer.body;
    } catch (error) {
      const again = error instanceof CommandFailure && error.exitCode === exitCodes.waitTimeout && performance.now() < end;
      if (!again) throw error;
    }
  }
}
