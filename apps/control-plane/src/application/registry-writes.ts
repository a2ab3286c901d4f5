import { type RegistryPlan, registryPlan } from '@portolan/flannel';
import type { Snapshot } from '@portolan/model';
import type { Context } from './context.js';
import { inParallel } from './in-parallel.js';

/** Entries that are written at the same time. */
const PARALLEL_WRITES = 16;

/** Carries a plan out, and answers how many entries were no longer as it was made with. Nobody is without a subnet in between: entries go when others are written. */
export async function writeRegistry(ctx: Context, cluster: string, prefix: string, { config, removes, writes }: RegistryPlan): Promise<number> {
  const answers: boolean[] = [];
  if (config?.value != null) answers.push(await ctx.registry.writeConfig(prefix, config.value, config.seen));
  answers.push(
    ...(await inParallel(writes, PARALLEL_WRITES, ({ key, value, reserved, seen }) => ctx.registry.write(prefix, { key, value, reserved }, seen))),
    ...(await inParallel(removes, PARALLEL_WRITES, (entry) => ctx.registry.remove(prefix, entry))),
  );
  if (config !== null && config.value === null) answers.push(await ctx.registry.writeConfig(prefix, null, config.seen));
  if (answers.length === 0) return 0;
  const refused = answers.filter((written) => !written).length;
  ctx.counters.registryWritten(cluster, answers.length - refused, refused);
  ctx.log.info({ cluster, written: writes.length, removed: removes.length, config: config !== null, refused }, "flannel's registry written");
  return refused;
}

/** Takes what is ours out of the registry of a cluster that is gone. Where etcd does not answer, leases end by themselves and reservations stay. */
export async function clearRegistry(ctx: Context, snapshot: Snapshot): Promise<void> {
  const { flannel, cluster } = snapshot;
  if (flannel === null) return;
  try {
    const view = await ctx.registry.read(flannel.prefix);
    await writeRegistry(ctx, cluster.name, flannel.prefix, registryPlan({ ...snapshot, flannel: { ...flannel, leaving: true } }, view, new Set()));
  } catch (error) {
    ctx.log.warn({ cluster: cluster.name, prefix: flannel.prefix, err: error }, "flannel's registry of a deleted cluster is left as it is");
  }
}
