/** One who waits for its part of what is done together. */
interface Waiting<T, R> {
  readonly of: T;
  resolve(result: R): void;
  reject(error: unknown): void;
}

export interface Gathering<T, R> {
  /** Does so many together at most. Answers with the result of each, in their order. */
  readonly together: (those: readonly T[]) => Promise<readonly R[]>;
  /** Two of one key are not done together, but one after the other. Left out: all may be done together. */
  readonly keyOf?: (one: T) => string;
  readonly most: number;
  /** Whether each may be tried alone after this failure of several: the fault may be that of one. Left out: it never is. */
  readonly isOfOne?: (error: unknown) => boolean;
}

/**
 * Does at once what comes alone, and together what comes while something is under way: so nobody waits for company, and a crowd costs
 * little more than one.
 */
export function gathered<T, R>({ together, keyOf, most, isOfOne = () => false }: Gathering<T, R>): (one: T) => Promise<R> {
  let waiting: Waiting<T, R>[] = [];
  let isBusy = false;

  function nextOnes(): readonly Waiting<T, R>[] {
    const keys = new Set<string>();
    const chosen: Waiting<T, R>[] = [];
    const rest: Waiting<T, R>[] = [];
    for (const one of waiting) {
      const key = keyOf?.(one.of);
      if (chosen.length >= most || (key !== undefined && keys.has(key))) rest.push(one);
      else chosen.push(one);
      if (key !== undefined) keys.add(key);
    }
    waiting = rest;
    return chosen;
  }

  async function settle(those: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await together(those.map(({ of }) => of));
      for (const [i, one] of those.entries()) one.resolve(results[i] as R);
    } catch (error) {
      if (those.length === 1 || !isOfOne(error)) for (const one of those) one.reject(error);
      else for (const one of those) await settle([one]);
    }
  }

  async function proceed(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    while (waiting.length > 0) await settle(nextOnes());
    isBusy = false;
  }

  return (one) =>
    new Promise((resolve, reject) => {
      waiting.push({ of: one, resolve, reject });
      void proceed();
    });
}
