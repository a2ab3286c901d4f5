import type { Id } from '@portolan/model';
import { seededNumbers } from './random.js';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 25;

/** Ids that look random and are the same in every run: a generator for each seed. */
export function seededIds(seed: number): () => Id {
  const next = seededNumbers(seed);
  return () => {
    let id = '';
    while (id.length < ID_LENGTH) id += ALPHABET[next() % ALPHABET.length] ?? '';
    return id;
  };
}
