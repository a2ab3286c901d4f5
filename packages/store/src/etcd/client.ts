import { ConstantBackoff, handleWhen, noop, retry } from 'cockatiel';
import { Etcd3, isRecoverableError } from 'etcd3';
import { storeUnavailable, within } from '../outage.js';

const service = 'etcd';
const deadline = 3_000;

/** Milliseconds that each of several members gets of one call: all together get the 3 s. */
export function deadlineOf(members: number): number {
  return Math.max(1_000, deadline / members);
}

/** Who a client is to etcd. An empty `user`: etcd asks nobody who he is. */
export interface EtcdUser {
  readonly user: string;
  readonly password: string;
}

export interface EtcdAccess {
  readonly user?: EtcdUser | undefined;
  /** PEM: what `https` endpoints are verified by; the system's authorities unless given. */
  readonly authority?: string | undefined;
}

/** A client without etcd3's circuit breaker, which refuses calls for seconds after the server is back, and with deadlines, which etcd3 has none of. */
export function connectEtcd(endpoints: readonly string[], { user, authority }: EtcdAccess = {}): Etcd3 {
  const share = deadlineOf(endpoints.length);
  return new Etcd3({
    hosts: [...endpoints],
    ...(user === undefined || user.user === '' ? {} : { auth: { username: user.user, password: user.password } }),
    ...(authority === undefined || !endpoints.every((endpoint) => endpoint.startsWith('https:'))
      ? {}
      : { credentials: { rootCertificate: Buffer.from(authority) } }),
    dialTimeout: share,
    grpcOptions: {
      // etcd counts pings that come faster than every 5 s and hangs up on who sends them.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      // Ten thousand subnets are 2 MB, and the usual limit of an answer is 4.
      'grpc.max_receive_message_length': 64 * 1_024 * 1_024,
    },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + share }),
    faultHandling: {
      host: () => noop,
      global: endpoints.length === 1 ? noop : retry(handleWhen(isRecoverableError), { maxAttempts: endpoints.length - 1, backoff: new ConstantBackoff(20) }),
    },
  });
}

/** A client of each member, for who must choose one; the only member's is the one there is. Nothing is connected before the first call. */
export function connectMembers(etcd: Etcd3, endpoints: readonly string[], access: EtcdAccess = {}): readonly Etcd3[] {
  return endpoints.length === 1 ? [etcd] : endpoints.map((endpoint) => connectEtcd([endpoint], access));
}

/** Runs one call; whatever goes wrong with it is `store-unavailable`, within 3.5 s. */
export async function answerOf<T>(call: PromiseLike<T>): Promise<T> {
  try {
    return await within(deadline + 500, Promise.resolve(call));
  } catch (cause) {
    throw storeUnavailable(service, cause);
  }
}
