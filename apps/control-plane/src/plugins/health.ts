import type { Coordination, HintQueue, IntentStore } from '@portolan/store';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Clock } from '../application/context.js';

const PING_TIMEOUT_MS = 3500;

const StoreHealth = Type.Object({
  ready: Type.Boolean(),
  reason: Type.Union([Type.String(), Type.Null()], { description: 'Why it is not ready.' }),
});
const Readiness = Type.Object({ ready: Type.Boolean(), stores: Type.Object({ postgres: StoreHealth, redis: StoreHealth, etcd: StoreHealth }) });

export interface Stores {
  readonly store: IntentStore;
  readonly queue: HintQueue;
  readonly coordination: Coordination;
}

/** `migration`: why the schema is not yet up to date, or null when it is. */
export function registerHealth(app: FastifyInstance, { store, queue, coordination }: Stores, clock: Clock, migration: () => string | null): void {
  app.get('/healthz', { schema: { hide: true }, config: { needs: 'nothing' } }, async () => ({ alive: true }));

  app.get('/readyz', { schema: { hide: true }, config: { needs: 'nothing' } }, async (_request, reply) => {
    const [postgres, redis, etcd] = await Promise.all([
      healthOf(clock, async () => {
        await store.ping();
        const reason = migration();
        if (reason !== null) throw new Error(reason);
      }),
      healthOf(clock, () => queue.ping()),
      healthOf(clock, () => coordination.ping()),
    ]);
    const answer: Static<typeof Readiness> = { ready: postgres.ready && redis.ready && etcd.ready, stores: { postgres, redis, etcd } };
    return reply.code(answer.ready ? 200 : 503).send(answer);
  });
}

async function healthOf(clock: Clock, ping: () => Promise<void>): Promise<Static<typeof StoreHealth>> {
  const over = new AbortController();
  try {
    const late = clock.sleep(PING_TIMEOUT_MS, over.signal).then(() => {
      throw new Error(`no answer within ${PING_TIMEOUT_MS / 1000} s`);
    });
    await Promise.race([ping(), late]);
    return { ready: true, reason: null };
  } catch (error) {
    return { ready: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    over.abort();
  }
}
