import { expect, it } from 'vitest';
import { campaign, failureText } from './fleet.js';
import { simulate } from './simulate.js';

const SEEDS = 2_000;

it('gives the same trace for the same seed, and another for another', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const [once, twice] = [await simulate({ seed }), await simulate({ seed })];
    expect(twice.hash, `seed ${seed}`).toBe(once.hash);
  }
  expect((await simulate({ seed: 1 })).hash).not.toBe((await simulate({ seed: 2 })).hash);
});

it(`keeps every promise in ${SEEDS} worlds in which everything goes wrong`, async () => {
  const { failures, ...figures } = await campaign({ first: 1, seeds: SEEDS });
  console.log(JSON.stringify(figures));
  expect(failures.slice(0, 3).map(failureText).join('\n\n')).toBe('');
  expect(figures.seeds).toBe(SEEDS);
}, 900_000);
