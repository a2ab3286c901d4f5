import type { Context } from '../application/context.js';
import { forEachCluster } from './each-cluster.js';

export interface RegistryWatch {
  run(signal: AbortSignal): Promise<void>;
  /** Ends every watch. */
  close(): Promise<void>;
}

interface Watch {
  readonly prefix: string;
  /** What it still says is of another time. */
  over: boolean;
  end: () => Promise<void>;
}

/** Watches flannel's registry of every cluster that has a flannel network, below its prefix. */
export function registryWatch(ctx: Context): RegistryWatch {
  const watches = new Map<string, Watch>();

  async function run(signal: AbortSignal): Promise<void> {
    const wanted = new Map<string, string>();
    await forEachCluster(ctx, signal, async (cluster) => {
      const { flannel } = await ctx.store.snapshot(cluster);
      if (flannel !== null) wanted.set(cluster, flannel.prefix);
    });
    if (signal.aborted) return;
    for (const [cluster, watch] of [...watches]) if (wanted.get(cluster) !== watch.prefix) await endOf(cluster, watch);
    for (const [cluster, prefix] of wanted) if (!watches.has(cluster)) await begin(cluster, prefix);
  }

  async function begin(cluster: string, prefix: string): Promise<void> {
    const watch: Watch = { prefix, over: false, end: async () => undefined };
    watches.set(cluster, watch);
    try {
      watch.end = await ctx.registry.watch(prefix, (view) => {
        if (!watch.over && ctx.registryViews.set(cluster, view)) ctx.changes.notify('registry', cluster);
      });
    } catch (error) {
      watches.delete(cluster);
      throw error;
    }
  }

  async function endOf(cluster: string, watch: Watch): Promise<void> {
    watches.delete(cluster);
    watch.over = true;
    ctx.registryViews.set(cluster, undefined);
    await watch.end();
  }

  return {
    run,
    close: async () => {
      await Promise.all([...watches].map(([cluster, watch]) => endOf(cluster, watch)));
    },
  };
}
