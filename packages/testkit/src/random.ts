/** Whole numbers from 0 to 2³² − 1 that look random and follow from the seed (mulberry32, 32 bit of state). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** The same from 0 to 1, without 1. */
export function seededReals(seed: number): () => number {
  const next = seededNumbers(seed);
  return () => next() / 0x1_0000_0000;
}
