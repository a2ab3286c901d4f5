import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.js';
import { fleetConverges } from './converge-fleet.js';
import { labConverges } from './converge-lab.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const AGENTS = 100;

/**
 * From a commit to the answer that every node has applied it, with three real agents beside the bare commands that make the same change with
 * nobody who plans, reads back or reports, and with a hundred agents; and from what happens to a container to the tables, beside Swarm's time.
 */
export const converge: Bench = async (report) => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  const directory = mkdtempSync(join(root, '.portolan/bench-converge-'));
  try {
    const fleet = await fleetConverges(AGENTS, directory, report);
    return [...(await labConverges(directory, report)), fleet];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
