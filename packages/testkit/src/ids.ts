import type { Id } from '@portolan/model';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 25;

/** Ids that look random and are the same in every run: a generator for each seed (mulberry32, 32 bit of state). */
export function seededIds(seed: number): () => Id {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return () => {
    let id = '';
    while (id.length < ID_LENGTH) id += ALPHABET[next() % ALPHABET.length] ?? '';
    return id;
  };
}
