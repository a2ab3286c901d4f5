import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LabMachine, openLabMachine } from '@portolan/harness';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IpvsFacts } from './ipvs-worker.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let directory: string;
let machine: LabMachine;
let facts: IpvsFacts;

// One machine and one run for all: a guest takes seconds to boot, and each of its processes a tenth of one.
beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/kernel-ipvs-'));
  const worker = join(directory, 'ipvs-worker.mjs');
  const bundling = build({
    entryPoints: [fileURLToPath(new URL('./ipvs-worker.ts', import.meta.url))],
    outfile: worker,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['source'],
    external: ['koffi'],
    banner: { js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);" },
  });
  [machine] = await Promise.all([openLabMachine({ directory }), bundling]);
  const ran = await machine.run([process.execPath, worker]);
  if (ran.exitCode !== 0) throw new Error(`the worker failed: ${ran.stderr}`);
  facts = JSON.parse(ran.stdout) as IpvsFacts;
}, 300_000);

afterAll(async () => {
  await machine?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('on a kernel with IPVS', () => {
  it('nothing that a node needs is missing', () => {
    expect(facts.probed).toMatchObject({ ipvsadm: expect.stringContaining('ipvsadm v') });
  });

  it('every kind of object is made, read back equal, changed and removed', () => {
    for (const { name, wrong, again } of facts.reached) expect({ name, wrong, again }).toEqual({ name, wrong: [], again: [] });
    expect(facts.reached).toHaveLength(3);
    expect(facts.left).toEqual([]);
  });

  it('virtual servers of others stay as they are', () => {
    expect(facts.others).toHaveLength(5);
    expect(facts.others[0]?.match(/^-A /gm)).toHaveLength(8);
    expect(new Set(facts.others).size).toBe(1);
  });

  it('what IPVS holds is read as it was given', () => {
    const inOrder = (text: string) => text.split('\n').sort();
    expect(inOrder(facts.ipvs.read)).toEqual(inOrder(facts.ipvs.given));
  });

  it('a line that IPVS refuses ends a batch, and its error is told', () => {
    expect(facts.ipvs.refused).toEqual([
      '-a -f 7 -r 10.0.0.2:0 -m -w 1: ESRCH',
      '-A -f 1 -s rr: EEXIST',
      '-A -f 8 -s nosuch: ENOENT',
      '-d -f 1 -r 10.0.0.9:0: ENOENT',
      '-A -t 192.0.2.1:80 -s rr: is no line that we write',
    ]);
  });

  it('a changed weight takes no process', () => {
    expect(facts.weight.applied).toEqual([expect.stringMatching(/^ipvsadm -e -f \d+ -r [0-9.]+:0 -m -w 7$/)]);
    expect(facts.weight.processes).toBe(0);
    expect(facts.weight.wrong).toEqual([]);
  });

  it('what IPVS has counted of each real server is what ipvsadm prints', () => {
    const { ours, theirs, elsewhere } = facts.counted;
    const sorted = (lines: readonly string[]) => [...lines].sort();
    expect(sorted(ours)).toEqual(sorted(theirs));
    const busy = ours.map((line) => line.split(' ').map(Number)).filter(([, , connections = 0]) => connections > 0);
    // Four clients, two datagrams of each, an answer to each; UDP is never active.
    expect(busy.map(([, , connections, packetsIn, packetsOut]) => [connections, packetsIn, packetsOut])).toEqual([
      [2, 4, 4],
      [2, 4, 4],
    ]);
    for (const [, , , , , bytesIn = 0, bytesOut = 0, active, inactive] of busy) {
      expect(bytesIn).toBeGreaterThan(4 * 28);
      expect(bytesOut).toBeGreaterThan(4 * 28);
      expect([active, inactive]).toEqual([0, 2]);
    }
    expect(elsewhere).toBe('apply-failed');
  });

  it('datagrams of one client port go on to another endpoint when theirs was removed', () => {
    const { before, removed, after } = facts.datagrams;
    expect(before).toEqual([removed, removed, removed]);
    const other = removed === 'service1.1' ? 'service1.2' : 'service1.1';
    expect(after).toEqual([other, other, other, other]);
  });

  it('they would be lost, were neither the flows nor the connections of IPVS forgotten', () => {
    const { before, removed, after } = facts.datagramsThatStay;
    expect(before).toEqual([removed, removed, removed]);
    expect(after).toEqual(['', '', '', '']);
  });
});
