import type { HintQueue } from '@portolan/store';
import type { Context } from '../application/context.js';

const BATCH = 200;

/** Brings what the outbox holds to the queues of the nodes. */
export async function publishHints(ctx: Context, queue: HintQueue, signal: AbortSignal): Promise<void> {
  let published = BATCH;
  while (published === BATCH && !signal.aborted) published = await ctx.store.drainOutbox(BATCH, (messages) => queue.publish(messages));
}
