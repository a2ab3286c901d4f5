import { FLANNEL_PREFIX, portolanError } from '@portolan/model';
import type { Context } from './context.js';

/**
 * Throws `in-use` where another cluster has the registry that a flannel network is to have: the two would take each other's nodes for foreign
 * ones, and write the configuration in turn. `path`: of the network in the document.
 */
export async function refuseSharedPrefix(ctx: Context, cluster: string, given: string | undefined, path = ''): Promise<void> {
  const prefix = given ?? (await ctx.store.snapshot(cluster)).flannel?.prefix ?? FLANNEL_PREFIX;
  for (const { name } of await ctx.store.listClusters()) {
    if (name === cluster || (await ctx.store.snapshot(name)).flannel?.prefix !== prefix) continue;
    throw portolanError('in-use', `${path}/prefix`, `the registry at ${prefix} is that of cluster ${name}`, { fix: 'Choose another prefix.' });
  }
}
