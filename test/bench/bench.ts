/** One comparison: our figure and that of a baseline, measured in turn in the same run. */
export interface Comparison {
  readonly case: string;
  readonly unit: string;
  readonly ours: number;
  readonly baseline: number;
  /** What the baseline is. */
  readonly against: string;
  /** ours / baseline; for rates larger is better, for times smaller is. */
  readonly ratio: number;
  /** Anything else that was measured on the way. */
  readonly detail?: Readonly<Record<string, number | string>>;
}

/** A bench returns its comparisons, or those of one part alone where it has parts; it starts and stops what it needs itself. */
export type Bench = (report: (progress: string) => void, only?: string) => Promise<readonly Comparison[]>;

export function comparison(of: Omit<Comparison, 'ratio'>): Comparison {
  return { ...of, ours: rounded(of.ours), baseline: rounded(of.baseline), ratio: rounded(of.ours / of.baseline) };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no values');
  return middle;
}

/** Of times in milliseconds: half of them, all but a hundredth, and all are below these. */
export function percentiles(values: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Milliseconds that one run takes. */
export async function milliseconds(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Runs both in turn, A B A B …, so that a machine that changes its speed changes both; medians in milliseconds. */
export async function medianPair(rounds: number, ours: () => unknown, baseline: () => unknown): Promise<{ ours: number; baseline: number }> {
  const a: number[] = [];
  const b: number[] = [];
  for (let round = 0; round < rounds; round++) {
    a.push(await milliseconds(ours));
    b.push(await milliseconds(baseline));
  }
  return { ours: median(a), baseline: median(b) };
}
