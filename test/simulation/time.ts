import type { Trace } from './trace.js';

interface Timer {
  readonly at: number;
  /** Of two that are due at the same time the one that was set first comes first. */
  readonly order: number;
  readonly what: string;
  readonly then: () => void | Promise<void>;
  isCancelled: boolean;
}

const realSetImmediate = setImmediate;

/** Lets everything happen that follows from promises, and the immediates that are set: one turn of the real event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}

/**
 * Time that passes only from event to event. Everything that a simulated process waits for is an event here, so the order of events is
 * a function of the seed. One event is one turn of the real event loop: what product code puts off with `setImmediate` goes on a turn later.
 */
export class VirtualTime {
  /** Milliseconds since the beginning. */
  now = 0;
  events = 0;
  #timers: Timer[] = [];
  #set = 0;
  #failure: unknown;
  readonly #fail = (error: unknown): void => {
    this.#failure ??= error;
  };

  constructor(readonly trace: Trace) {}

  /** Calls `then` once after so many milliseconds; the answer takes it back. `what` is for the trace; one that is empty leaves no line. */
  after(milliseconds: number, what: string, then: () => void | Promise<void>): () => void {
    const timer: Timer = { at: this.now + Math.max(0, milliseconds), order: ++this.#set, what, then, isCancelled: false };
    this.#push(timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  /** Lets time pass until `end`, and every event that is due. `afterEach` looks at the world after each event. */
  async passUntil(end: number, afterEach: () => void): Promise<void> {
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      if (next.isCancelled) continue;
      this.now = next.at;
      this.events += 1;
      if (next.what !== '') this.trace.add(this.now, next.what);
      // It may wait for later events, so nobody waits for it.
      Promise.resolve(next.then()).catch(this.#fail);
      await turn();
      if (this.#failure !== undefined) throw this.#failure;
      afterEach();
    }
    this.now = Math.max(this.now, end);
  }

  #isBefore(a: Timer, b: Timer): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  // A binary heap: the parent of each timer is due before it.
  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !this.#isBefore(timer, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let [least, below]: [Timer, number] = [last, at];
      for (const child of [left, left + 1]) {
        const timer = heap[child];
        if (timer !== undefined && this.#isBefore(timer, least)) [least, below] = [timer, child];
      }
      if (below === at) break;
      heap[at] = least;
      at = below;
    }
    heap[at] = last;
  }
}
