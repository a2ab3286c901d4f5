import type { Clock } from '../clock.js';

export interface PaceOptions {
  readonly clock: Clock;
  /** What is to be done at a pace. */
  readonly act: () => void;
  /** Changes that come together are gathered for so many milliseconds. */
  readonly gather: number;
  /** Milliseconds between two acts at least, after something urgent and otherwise. */
  readonly urgent: number;
  readonly idle: number;
}

export interface Pace {
  ask(isUrgent: boolean): void;
  stop(): void;
}

/** Does something soon after it is asked for, and not too often: the first time at once, then at a pace. */
export function paced({ clock, act, gather, urgent, idle }: PaceOptions): Pace {
  let lastAt = Number.NEGATIVE_INFINITY;
  let dueAt = Number.POSITIVE_INFINITY;
  let cancel: () => void = () => undefined;
  return {
    ask: (isUrgent) => {
      const now = clock.now();
      const due = Math.max(now + gather, lastAt + (isUrgent ? urgent : idle));
      if (due >= dueAt) return;
      cancel();
      dueAt = due;
      cancel = clock.after(due - now, () => {
        dueAt = Number.POSITIVE_INFINITY;
        lastAt = clock.now();
        act();
      });
    },
    stop: () => cancel(),
  };
}
