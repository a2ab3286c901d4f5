import { setTimeout } from 'node:timers/promises';
import { type Liveness, nodeQueueName, type SyncHint } from '@portolan/protocol';
import type { Coordination, HintQueue, HintSource } from '../ports.js';

interface NodeQueue {
  waiting: SyncHint | undefined;
  /** Wakes the source, when one is started and idle. */
  wake: () => void;
}

/** Ends of one queue in the same process. */
export interface MemoryQueue extends HintQueue {
  source(cluster: string, node: string): HintSource;
  /** Forgets every hint that waits, as Redis does when it is emptied. */
  clear(): void;
}

/**
 * Twin of the queue over Redis: at most one waiting hint a node, taken one at a time, tried again after a failure. `sleep`: how it waits until
 * then; in real time unless given.
 */
export function createMemoryQueue(retryAfterMilliseconds = 10, sleep: (milliseconds: number) => Promise<unknown> = setTimeout): MemoryQueue {
  const queues = new Map<string, NodeQueue>();
  const queueOf = (name: string): NodeQueue => {
    const queue = queues.get(name) ?? { waiting: undefined, wake: () => undefined };
    queues.set(name, queue);
    return queue;
  };

  return {
    async publish(messages) {
      for (const { cluster, node, hint } of messages) {
        const queue = queueOf(nodeQueueName(cluster, node));
        if (queue.waiting === undefined || queue.waiting.generation <= hint.generation) queue.waiting = hint;
        queue.wake();
      }
    },
    async ping() {},
    async close() {},
    clear() {
      for (const queue of queues.values()) queue.waiting = undefined;
    },
    source(cluster, node) {
      const queue = queueOf(nodeQueueName(cluster, node));
      let closed = false;
      let loop: Promise<void> = Promise.resolve();

      async function takeAll(take: (hint: SyncHint) => Promise<void>): Promise<void> {
        while (!closed) {
          const hint = queue.waiting;
          if (hint === undefined) {
            await new Promise<void>((resolve) => {
              queue.wake = resolve;
            });
            continue;
          }
          queue.waiting = undefined;
          try {
            await take(hint);
          } catch {
            // A newer one that came in between replaces it.
            queue.waiting ??= hint;
            await sleep(retryAfterMilliseconds);
          }
        }
      }

      return {
        start(take) {
          loop = takeAll(take);
        },
        async close() {
          closed = true;
          queue.wake();
          await loop;
        },
      };
    },
  };
}

/** Twin of the coordination over etcd. A node is alive until its holder stops; there is no time in it. */
export function createMemoryCoordination(): Coordination {
  const revisions = new Map<string, number>();
  const revisionWatchers = new Map<string, Set<(revision: number) => void>>();
  const holders = new Map<string, { readonly node: string; readonly liveness: Liveness }[]>();
  const aliveWatchers = new Map<string, Set<(alive: ReadonlyMap<string, Liveness>) => void>>();

  const watchersOf = <T>(watchers: Map<string, Set<T>>, cluster: string): Set<T> => {
    const set = watchers.get(cluster) ?? new Set<T>();
    watchers.set(cluster, set);
    return set;
  };

  function aliveOf(cluster: string): ReadonlyMap<string, Liveness> {
    const alive = new Map<string, Liveness>();
    for (const { node, liveness } of holders.get(cluster) ?? []) {
      const held = alive.get(node);
      if (held === undefined || held.startedAt <= liveness.startedAt) alive.set(node, liveness);
    }
    return alive;
  }

  function tellAlive(cluster: string): void {
    for (const watcher of watchersOf(aliveWatchers, cluster)) watcher(aliveOf(cluster));
  }

  return {
    async publishRevision(cluster, revision) {
      if (revision <= (revisions.get(cluster) ?? -1)) return;
      revisions.set(cluster, revision);
      for (const watcher of watchersOf(revisionWatchers, cluster)) watcher(revision);
    },
    async watchRevision(cluster, onRevision) {
      const watchers = watchersOf(revisionWatchers, cluster);
      watchers.add(onRevision);
      const revision = revisions.get(cluster);
      if (revision !== undefined) onRevision(revision);
      return async () => {
        watchers.delete(onRevision);
      };
    },
    async keepAlive(cluster, node, liveness) {
      const holder = { node, liveness };
      holders.set(cluster, [...(holders.get(cluster) ?? []), holder]);
      tellAlive(cluster);
      return async () => {
        holders.set(
          cluster,
          (holders.get(cluster) ?? []).filter((other) => other !== holder),
        );
        tellAlive(cluster);
      };
    },
    async watchAlive(cluster, onChange) {
      const watchers = watchersOf(aliveWatchers, cluster);
      watchers.add(onChange);
      onChange(aliveOf(cluster));
      return async () => {
        watchers.delete(onChange);
      };
    },
    async ping() {},
    async close() {
      revisionWatchers.clear();
      aliveWatchers.clear();
    },
  };
}
