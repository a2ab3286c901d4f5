import { closeSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { pipe } from '@portolan/kernel/sockets';
import { counterMemory } from './counters.js';
import type { Carried, Command, FromThread, ThreadSettings } from './messages.js';

/** The thread that forwards, as the program's main thread has it. What is asked of it has happened when the answer comes. */
export interface Forwarder {
  readonly counters: SharedArrayBuffer;
  carry(carried: Carried): Promise<void>;
  routes(set: Int32Array, deleted: Int32Array): Promise<void>;
  /** It touches neither device nor socket afterwards. */
  release(): Promise<void>;
  stop(): Promise<void>;
}

export interface ForwarderEvents {
  lost(what: 'tun' | 'socket', why: string): void;
  /** The thread has died of an error. */
  died(error: Error): void;
}

type Order = Command extends infer C ? (C extends { readonly id: number } ? Omit<C, 'id'> : never) : never;

/** Starts `program` as a thread that forwards. */
export function startForwarder(program: URL, events: ForwarderEvents): Forwarder {
  const counters = counterMemory();
  const [theirs, ours] = pipe();
  const settings: ThreadSettings = { counters, wake: theirs };
  const thread = new Worker(program, { workerData: settings });
  const waiting = new Map<number, () => void>();
  let last = 0;
  thread.on('error', (error) => events.died(error instanceof Error ? error : new Error(String(error))));
  thread.on('message', (message: FromThread) => {
    if (message.kind === 'lost') return events.lost(message.what, message.why);
    waiting.get(message.id)?.();
    waiting.delete(message.id);
  });
  const order = (given: Order): Promise<void> => {
    const id = ++last;
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      thread.postMessage({ ...given, id } satisfies Command);
      // A byte for each; it reads them all at once.
      writeSync(ours, '.');
    });
  };
  return {
    counters,
    carry: (carried) => order({ kind: 'carry', ...carried }),
    routes: (set, deleted) => order({ kind: 'routes', set, deleted }),
    release: () => order({ kind: 'release' }),
    stop: async () => {
      await order({ kind: 'stop' });
      for (const fd of [theirs, ours]) closeSync(fd);
    },
  };
}
