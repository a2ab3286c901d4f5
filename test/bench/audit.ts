import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPortolan } from '@portolan/cli';
import { type Bench, comparison, medianPair } from './bench.js';
import { writeLargeSwarm } from './swarm-collection.js';

const SIZE = { nodes: 100, services: 50, tasks: 20, networks: 5 } as const;
const ROUNDS = 3;

/** `portolan swarm audit` of a large swarm, beside reading the same files and cutting them into lines and words. */
export const audit: Bench = async (report) => {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-bench-audit-'));
  try {
    const { files, bytes } = writeLargeSwarm(directory, SIZE);
    report(`${files} files, ${Math.round(bytes / 1e6)} MB`);
    const { ours, baseline } = await medianPair(
      ROUNDS,
      async () => report(await auditOf(directory)),
      () => wordsIn(directory),
    );
    return [
      comparison({
        case: `${SIZE.nodes} nodes x ${SIZE.services} services x ${SIZE.tasks} tasks on ${SIZE.networks} overlays, healthy`,
        unit: 'ms',
        ours,
        baseline,
        against: 'reading the files, JSON.parse, and cutting dumps into words',
        detail: { files, bytes },
      }),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
};

/** The whole command, in this process. Throws unless it finds that nothing differs. */
async function auditOf(directory: string): Promise<string> {
  const printed: string[] = [];
  const write = (text: string): void => void printed.push(text);
  const silent = { columns: undefined, color: false, environment: {}, directory, readStandardInput: () => Promise.resolve('') };
  const code = await runPortolan(['swarm', 'audit', directory], { write, writeError: write, ...silent });
  if (code !== 0) throw new Error(`a healthy swarm should have no finding, but: ${printed.join('').slice(0, 2000)}`);
  return printed.join('').trim();
}

function wordsIn(directory: string): number {
  let words = 0;
  for (const name of readdirSync(directory)) {
    const text = readFileSync(join(directory, name), 'utf8');
    if (name.endsWith('.json')) words += JSON.stringify(JSON.parse(text)).length > 0 ? 1 : 0;
    else for (const line of text.split('\n')) words += line.split(' ').length;
  }
  return words;
}
