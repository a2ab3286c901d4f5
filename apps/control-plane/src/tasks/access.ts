import type { Context } from '../application/context.js';
import { grantedNodes } from '../application/credentials/node-credentials.js';

/** Keeps the users of Redis and etcd those of the nodes that have valid credentials, whatever server lost them and whatever node went. */
export function accessTask(ctx: Context): () => Promise<void> {
  return () => ctx.access.reconcile(() => grantedNodes(ctx));
}

/** Writes down who was refused. */
export function refusalsTask(ctx: Context): () => Promise<void> {
  return () => ctx.refusals.flush((refusals) => ctx.credentials.addRefusals(refusals));
}
