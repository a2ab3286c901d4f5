import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLabMachine } from '@portolan/harness';
import ts from 'typescript';
import type { ApplyFigures } from './apply-worker.js';
import { type Bench, comparison } from './bench.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The worker as JavaScript beside node_modules, because a guest should not compile. */
function compiledWorker(directory: string): string {
  const source = readFileSync(join(root, 'test/bench/apply-worker.ts'), 'utf8');
  const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 } });
  const path = join(directory, 'apply-worker.mjs');
  writeFileSync(path, outputText);
  return path;
}

const sizes = [
  { services: 100, rounds: 3, singleServices: 0 },
  { services: 1000, rounds: 3, singleServices: 10 },
] as const;

/**
 * A node from nothing to many services, observed, planned, applied and read back, beside a shell that gives the same text to the
 * bare tools, and beside one process for each line, on one kernel with IPVS in one run.
 */
export const apply: Bench = async (report) => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  const directory = mkdtempSync(join(root, '.portolan/bench-apply-'));
  report('starting a machine with IPVS');
  const machine = await openLabMachine({ directory });
  try {
    const worker = compiledWorker(directory);
    const comparisons = [];
    for (const { services, rounds, singleServices } of sizes) {
      report(`${services} services x 10 endpoints on a ${machine.kind} machine`);
      const ran = await machine.run([process.execPath, worker, String(services), String(rounds), String(singleServices)]);
      if (ran.exitCode !== 0) throw new Error(`the worker failed: ${ran.stderr}`);
      const { objects, oursMs, bareMs, oursParts, single, ...detail } = JSON.parse(ran.stdout) as ApplyFigures;
      const ours = (objects / oursMs) * 1000;
      const name = `${services} services x 10 endpoints, ${objects} objects, ${machine.kind}`;
      comparisons.push(
        comparison({
          case: name,
          unit: 'objects/s',
          ours,
          baseline: (objects / bareMs) * 1000,
          against: 'a shell script that gives the same text to ip, bridge, sysctl, iptables-restore and ipvsadm, without observation, plan and read-back',
          detail: { oursMs: Math.round(oursMs), bareMs: Math.round(bareMs), ...detail, ...oursParts },
        }),
      );
      if (single === undefined) continue;
      comparisons.push(
        comparison({
          case: name,
          unit: 'objects/s',
          ours,
          baseline: (single.objects / single.ms) * 1000,
          against: `one process a line, as with Docker, for ${singleServices} services only: tables of rules that grow make it slower`,
          detail: { baselineObjects: single.objects, baselineMs: Math.round(single.ms), baselineProcesses: single.processes },
        }),
      );
    }
    return comparisons;
  } finally {
    await machine.stop();
    rmSync(directory, { recursive: true, force: true });
  }
};
