import { describe, expect, it } from 'vitest';
import { bisect } from '../src/bisect.js';

/** What a bisection of so many keys finds, and how many attempts it takes, where attempts with one of `bad` fail. */
async function found(count: number, bad: readonly number[], most = 8) {
  const keys = Array.from({ length: count }, (_, i) => String(i));
  const done = new Set<string>();
  let attempts = 0;
  const attempt = async (some: readonly string[]): Promise<string | undefined> => {
    attempts += 1;
    const culprit = bad.find((key) => some.includes(String(key)));
    if (culprit !== undefined) return `because of ${culprit}`;
    for (const key of some) done.add(key);
    return undefined;
  };
  const { blamed, untried, isUnclean } = await bisect(keys, 'all', attempt, most);
  return { blamed: blamed.map(({ key }) => Number(key)).sort((a, b) => a - b), untried, isUnclean, attempts, done };
}

describe('a bisection', () => {
  it.each([1, 2, 3, 7, 64, 1000])('of %d finds each culprit by the logarithm of attempts, and all else is done', async (count) => {
    for (const bad of [[0], [count - 1], [Math.floor(count / 2)], [0, count - 1]].map((some) => [...new Set(some)])) {
      const { blamed, untried, attempts, done } = await found(count, bad);
      expect(blamed).toEqual(bad);
      expect(untried).toEqual([]);
      expect(done.size).toBe(count - bad.length);
      expect(attempts).toBeLessThanOrEqual(2 * bad.length * Math.ceil(Math.log2(count)));
    }
  });

  it('says when its last attempt failed', async () => {
    expect(await found(2, [1])).toMatchObject({ isUnclean: false });
    expect(await found(2, [0, 1])).toMatchObject({ isUnclean: true });
    expect(await found(1, [0])).toMatchObject({ isUnclean: true, attempts: 0 });
  });

  it('gives up when so many are blamed', async () => {
    const all = Array.from({ length: 100 }, (_, i) => i);
    const { blamed, untried, attempts } = await found(100, all, 3);
    expect(blamed).toHaveLength(3);
    expect(untried).toHaveLength(97);
    expect(attempts).toBeLessThanOrEqual(3 * 2 * 7);
  });
});
