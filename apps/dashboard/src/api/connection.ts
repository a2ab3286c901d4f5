import { useSyncExternalStore } from 'react';

/** live: the control plane tells what moves; opening: not yet; lost: it does not answer, and what is shown may be old. */
export type Connection = 'opening' | 'live' | 'lost';

let connection: Connection = 'opening';
const listeners = new Set<() => void>();

export function setConnection(next: Connection): void {
  if (next === connection) return;
  connection = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => connection);
}
