import { ConstantBackoff, handleWhen, noop, retry } from 'cockatiel';
import { Etcd3, isRecoverableError } from 'etcd3';
import { storeUnavailable, within } from '../outage.js';

const service = 'etcd';
const deadline = 3_000;

/** A client without etcd3's circuit breaker, which refuses calls for seconds after the server is back, and with deadlines, which etcd3 has none of. */
export function connectEtcd(endpoints: readonly string[]): Etcd3 {
  // All endpoints together get the 3 s of one call.
  const share = Math.max(1_000, deadline / endpoints.length);
  return new Etcd3({
    hosts: [...endpoints],
    dialTimeout: share,
    grpcOptions: {
      // etcd counts pings that come faster than every 5 s and hangs up on who sends them.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + share }),
    faultHandling: {
      host: () => noop,
      global: endpoints.length === 1 ? noop : retry(handleWhen(isRecoverableError), { maxAttempts: endpoints.length - 1, backoff: new ConstantBackoff(20) }),
    },
  });
}

/** Runs one call; whatever goes wrong with it is `store-unavailable`, within 3.5 s. */
export async function answerOf<T>(call: PromiseLike<T>): Promise<T> {
  try {
    return await within(deadline + 500, Promise.resolve(call));
  } catch (cause) {
    throw storeUnavailable(service, cause);
  }
}
