import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench, Comparison } from './bench.js';
import { fleetConverges } from './converge-fleet.js';
import { labConverges } from './converge-lab.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const AGENTS = 100;

/** Parts by name, for `--only`. */
const parts: Readonly<Record<string, (directory: string, report: (progress: string) => void) => Promise<readonly Comparison[]>>> = {
  lab: labConverges,
  fleet: async (directory, report) => [await fleetConverges(AGENTS, join(directory, 'fleet'), report)],
};

/**
 * From a commit to the answer that every node has applied it, with three real agents beside the bare commands that make the same change with
 * nobody who plans, reads back or reports, and with a hundred agents; and from what happens to a container to the tables, beside Swarm's time.
 */
export const converge: Bench = async (report, only) => {
  const chosen = Object.entries(parts).filter(([name]) => only === undefined || only === name);
  if (chosen.length === 0) throw new Error(`converge has no part "${only}"; there are: ${Object.keys(parts).join(', ')}`);
  mkdirSync(join(root, '.portolan'), { recursive: true });
  const directory = mkdtempSync(join(root, '.portolan/bench-converge-'));
  try {
    const comparisons: Comparison[] = [];
    for (const [, part] of chosen) comparisons.push(...(await part(directory, report)));
    return comparisons;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
