import type { Etcd3, IKeyValue, IWatchResponse, Range } from 'etcd3';
import type { Outage } from '../outage.js';
import { answerOf } from './client.js';
import { type Lasting, repeat } from './lasting.js';

export interface Follower<T> {
  /** What is kept of a key. */
  read(kv: IKeyValue): T;
  /** All keys as they are now. The map goes on changing: who keeps it copies it. */
  onState(state: ReadonlyMap<string, T>): void;
  /** etcd does not answer: what was said last may be old. Called once an outage. */
  onLoss?(): void;
}

/** The value as text. */
export function textOf({ value }: Pick<IKeyValue, 'value'>): string {
  return value.toString();
}

/**
 * Follows the keys from `start` up to `end`: list, then watch from the listed revision, and from the beginning whenever the
 * watch ends, for whatever reason: a lost server, a compaction, an etcd that came back empty. So what is delivered is a state,
 * not a history: values that were overwritten in between may be skipped, and one that changed unseen is delivered with the list.
 *
 * It speaks the watch stream itself. etcd3's Watcher goes on from its last revision, which a server that lost its data
 * reaches only much later, and it dies for good behind a compaction.
 */
export function followKeys<T>(etcd: Etcd3, range: Range, outage: Outage, { read, onState, onLoss }: Follower<T>): Lasting {
  let isLost = false;
  return repeat(
    async ({ signal, begun }) => {
      const listed = await answerOf(etcd.getAll().inRange(range).exec());
      const state = new Map(listed.kvs.map((kv) => [kv.key.toString(), read(kv)]));
      if (signal.aborted) return;
      isLost = false;
      outage.recovered();
      onState(state);
      begun();
      await watchUntilItEnds(etcd, range, listed.header.revision, signal, (response) => {
        for (const { type, kv } of response.events) {
          if (type === 'Delete') state.delete(kv.key.toString());
          else state.set(kv.key.toString(), read(kv));
        }
        if (response.events.length > 0) onState(state);
      });
    },
    // A watch that ends at once, each time, must not become a busy loop.
    100,
    (cause) => {
      outage.failed(cause);
      if (!isLost) onLoss?.();
      isLost = true;
    },
  );
}

/**
 * Resolves when the watch is over. An error of the stream is no outage by itself: one member of several may have gone, and the
 * list that follows tells. Revisions are 64-bit; they stay exact as bigint.
 */
async function watchUntilItEnds(etcd: Etcd3, range: Range, listed: string, signal: AbortSignal, onEvents: (response: IWatchResponse) => void): Promise<void> {
  const stream = await etcd.watchClient.watch();
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener('abort', end);
      stream.cancel();
      resolve();
    };
    signal.addEventListener('abort', end);
    stream.on('error', end);
    stream.on('end', end);
    stream.on('data', (response) => {
      if (signal.aborted) return;
      // Compacted in between, or no longer the server that was listed. List again.
      if (response.canceled || (response.created && BigInt(response.header.revision) < BigInt(listed))) return end();
      onEvents(response);
    });
    stream.write({ create_request: { key: range.start, range_end: range.end, start_revision: String(BigInt(listed) + 1n) } });
    if (signal.aborted) end();
  });
}
