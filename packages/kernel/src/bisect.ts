/** What became of an attempt: undefined when it succeeded. */
export type Attempt<F> = (keys: readonly string[]) => Promise<F | undefined>;

export interface Bisection<F> {
  /** Those that fail, with what failed when each was the last one in question. */
  readonly blamed: readonly { readonly key: string; readonly failure: F }[];
  /** Those that nobody asked about any more, because too many had failed. */
  readonly untried: readonly string[];
  /** Whether the last attempt failed, so that something of it may have been carried out. */
  readonly isUnclean: boolean;
}

/**
 * Which of the keys make an attempt with all of them fail, which it has, with `failure`. What succeeds stays, so when it ends everything but
 * the blamed and the untried is done. It takes at most 2·⌈log2 n⌉ attempts for each of the blamed, of which there are at most `most`.
 *
 * `attempt` is of these keys together with all that succeeded before: of a set that fails, of which the first half succeeds, the second
 * half is not tried, for it would be the same attempt again.
 */
export async function bisect<F>(keys: readonly string[], failure: F, attempt: Attempt<F>, most: number): Promise<Bisection<F>> {
  const blamed: { key: string; failure: F }[] = [];
  const untried: string[] = [];
  let isUnclean = true;

  async function tried(part: readonly string[]): Promise<F | undefined> {
    const failed = await attempt(part);
    isUnclean = failed !== undefined;
    return failed;
  }

  async function split(part: readonly string[], failed: F): Promise<void> {
    const [only] = part;
    if (blamed.length >= most) untried.push(...part);
    else if (part.length === 1 && only !== undefined) blamed.push({ key: only, failure: failed });
    else {
      const half = Math.ceil(part.length / 2);
      const [first, second] = [part.slice(0, half), part.slice(half)];
      const firstFailed = await tried(first);
      if (firstFailed !== undefined) await split(first, firstFailed);
      if (second.length === 0) return;
      if (blamed.length >= most) untried.push(...second);
      else {
        const secondFailed = firstFailed === undefined ? failed : await tried(second);
        if (secondFailed !== undefined) await split(second, secondFailed);
      }
    }
  }

  await split(keys, failure);
  return { blamed, untried, isUnclean };
}
