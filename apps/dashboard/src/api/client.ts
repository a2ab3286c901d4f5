import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSocketClient } from 'graphql-ws';
import { setConnection } from './connection.js';
import { authorization } from './token.js';

/** Milliseconds between attempts to reach the control plane again, at most. */
const LONGEST_PAUSE_MS = 4000;

function socketUrl(): string {
  const url = new URL('/graphql', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** One for each sign-in: the token is said when the socket opens. */
export function createClient(): { readonly client: Client; dispose(): void } {
  const socket = createSocketClient({
    url: socketUrl,
    lazy: true,
    connectionParams: authorization,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: async (attempts) => {
      const pause = Math.min(250 * 2 ** attempts, LONGEST_PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    },
    // A control plane that was cut off says nothing: without its answers to pings the socket would stay open for minutes.
    keepAlive: 5000,
    on: {
      connected: () => setConnection('live'),
      closed: () => setConnection('lost'),
      error: () => setConnection('lost'),
      ping: (received) => {
        if (!received) watchPong();
      },
      pong: (received) => {
        if (received) clearTimeout(overdue);
      },
    },
  });
  let overdue: ReturnType<typeof setTimeout> | undefined;
  function watchPong(): void {
    clearTimeout(overdue);
    overdue = setTimeout(() => {
      setConnection('lost');
      socket.terminate();
    }, 3000);
  }
  const client = new Client({
    url: '/graphql',
    preferGetMethod: false,
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query: query ?? '', ...(variables === undefined ? {} : { variables }) },
              {
                next: ({ data, errors }) => sink.next({ data: data ?? null, ...(errors === undefined ? {} : { errors: [...errors] }) }),
                error: (cause) => sink.error(cause),
                complete: () => sink.complete(),
              },
            ),
          }),
        }),
      }),
    ],
  });
  return {
    client,
    dispose() {
      clearTimeout(overdue);
      void socket.dispose();
    },
  };
}
