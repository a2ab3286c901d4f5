import type { Coordination } from '@portolan/store';
import type { Context } from '../application/context.js';

export interface LivenessTask {
  run(): Promise<void>;
  /** Ends every watch. */
  close(): Promise<void>;
}

/** Watches the leases of the agents of every cluster, and notices when etcd itself does not answer. */
export function livenessTask(ctx: Context, coordination: Coordination): LivenessTask {
  const watches = new Map<string, () => Promise<void>>();

  async function run(): Promise<void> {
    const clusters = new Set((await ctx.store.listClusters()).map(({ name }) => name));
    for (const [name, end] of [...watches]) {
      if (clusters.has(name)) continue;
      watches.delete(name);
      await end();
      ctx.liveness.forget(name);
    }
    for (const name of clusters) {
      if (watches.has(name)) continue;
      const end = await coordination.watchAlive(name, (alive) => {
        if (ctx.liveness.set(name, alive)) ctx.changes.notify('liveness', name);
      });
      watches.set(name, end);
    }
    await noteReachable(clusters);
  }

  async function noteReachable(clusters: Iterable<string>): Promise<void> {
    let failure: unknown;
    try {
      await coordination.ping();
    } catch (error) {
      failure = error;
    }
    if (ctx.liveness.setReachable(failure === undefined)) for (const name of clusters) ctx.changes.notify('liveness', name);
    if (failure !== undefined) throw failure;
  }

  return {
    run,
    close: async () => {
      await Promise.all([...watches.values()].map((end) => end()));
      watches.clear();
    },
  };
}
