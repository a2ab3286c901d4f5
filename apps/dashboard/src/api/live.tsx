import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from 'react';
import { type AnyVariables, type CombinedError, useQuery, useSubscription } from 'urql';
import { useConnection } from './connection.js';
import { graphql } from './generated/index.js';

const MovedDocument = graphql(`
  subscription Moved($cluster: String!) {
    moved(cluster: $cluster) {
      count
      intentRevision
      computedRevision
      appliedRevision
    }
  }
`);

/** A page asks again at most so often, in milliseconds, however much moves. */
const ASK_EVERY_MS = 400;

export interface Movement {
  /** Grows with everything that moves in the cluster, and with each new connection. */
  readonly count: number;
  /** null before the first answer. */
  readonly intentRevision: number | null;
  readonly computedRevision: number | null;
  readonly appliedRevision: number | null;
}

const nothingMoved: Movement = { count: 0, intentRevision: null, computedRevision: null, appliedRevision: null };
const Moved = createContext<Movement>(nothingMoved);

/** Follows one cluster; everything below it that uses `useLive` is fresh. */
export function LiveCluster({ cluster, children }: { readonly cluster: string; readonly children: ReactNode }) {
  const connection = useConnection();
  const reconnected = useRef(0);
  useEffect(() => {
    if (connection === 'live') reconnected.current += 1;
  }, [connection]);
  const [{ data }] = useSubscription({ query: MovedDocument, variables: { cluster } });
  const moved = data?.moved;
  const value = moved === undefined ? nothingMoved : { ...moved, count: moved.count + reconnected.current * 1e9 };
  return <Moved.Provider value={value}>{children}</Moved.Provider>;
}

export function useMovement(): Movement {
  return useContext(Moved);
}

export interface Live<Data> {
  /** undefined until the first answer; the last one while a newer is on its way. */
  readonly data: Data | undefined;
  readonly error: CombinedError | undefined;
  readonly fetching: boolean;
  /** Asks now. */
  refresh(): void;
}

/** A query whose answer stays fresh: it is asked again when something moves in the cluster. */
export function useLive<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  { pause = false }: { readonly pause?: boolean } = {},
): Live<Data> {
  const { count } = useMovement();
  const [{ data, error, fetching }, ask] = useQuery<Data, Variables>({ query, variables, pause, requestPolicy: 'cache-and-network' } as Parameters<
    typeof useQuery<Data, Variables>
  >[0]);
  const asked = useRef({ at: 0, count });
  const [, tick] = useState(0);
  useEffect(() => {
    if (pause || asked.current.count === count) return;
    const wait = Math.max(0, asked.current.at + ASK_EVERY_MS - performance.now());
    const timer = setTimeout(() => {
      asked.current = { at: performance.now(), count };
      ask({ requestPolicy: 'network-only' });
      tick((n) => n + 1);
    }, wait);
    return () => clearTimeout(timer);
  }, [count, pause, ask]);
  return { data, error, fetching, refresh: () => ask({ requestPolicy: 'network-only' }) };
}
