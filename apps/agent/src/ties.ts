import type { Coordination } from '@portolan/store';
import type { Clock } from './clock.js';
import type { Log } from './log.js';

export interface TiesOptions {
  readonly coordination: Pick<Coordination, 'watchRevision' | 'keepAlive'>;
  readonly cluster: string;
  readonly node: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A new revision is told so many milliseconds later. */
  readonly revisionDelay: number;
  readonly onRevision: (revision: number) => void;
}

/**
 * Watches the revision of the cluster, and shows that this node is alive, as long as the answer is not called. An outage of etcd costs
 * latency and the liveness key; it never keeps a node from its work.
 */
export function clusterTies({ coordination, cluster, node, version, clock, log, revisionDelay, onRevision }: TiesOptions): () => Promise<void> {
  let cancelRevision: () => void = () => undefined;
  const watching = coordination.watchRevision(cluster, (revision) => {
    cancelRevision();
    cancelRevision = clock.after(revisionDelay, () => onRevision(revision));
  });
  const living = coordination.keepAlive(cluster, node, { version, startedAt: new Date(clock.today()).toISOString(), pid: process.pid });
  for (const lasting of [watching, living]) lasting.catch((error: unknown) => log.warn({ err: error }, 'etcd cannot be used'));
  return async () => {
    cancelRevision();
    await Promise.allSettled(
      [watching, living].map(async (lasting) => {
        const stop = await lasting.catch(() => undefined);
        await stop?.();
      }),
    );
  };
}
