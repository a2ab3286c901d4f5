/** Time as the agent sees it, so that tests can shorten it. */
export interface Clock {
  /** Milliseconds since some moment. It only goes forward, whatever is done to the time of day: for waits, deadlines, durations. */
  now(): number;
  /** The time of day, in milliseconds since 1970, which may be set back and forth: for people only. */
  today(): number;
  /** Calls `then` once after so many milliseconds; the answer takes it back. */
  after(milliseconds: number, then: () => void): () => void;
  /** From 0 to 1, for spreading agents out in time. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  today: () => Date.now(),
  after: (milliseconds, then) => {
    const timer = setTimeout(then, milliseconds);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** A delay in milliseconds that doubles with each failure in a row, spread by a quarter so that agents do not come all at once. */
export function backOff(failures: number, first: number, last: number, random: number): number {
  return Math.min(first * 2 ** Math.max(0, failures - 1), last) * (0.75 + 0.5 * random);
}
