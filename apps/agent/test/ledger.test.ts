import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeState } from '@portolan/node-state';
import { PROTOCOL_VERSION } from '@portolan/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appliedOf, emptyLedger, type Ledger, ledgerFile } from '../src/ledger.js';
import { stateWith } from './stage.js';

const hashesOf = (state: NodeState): Record<string, string> => Object.fromEntries(state.objects.map(({ key, hash }) => [key, hash]));

function ledgerAt(generation: number, ...networks: string[]): Ledger {
  const state = stateWith(...networks);
  return { ...emptyLedger, desired: { protocol: PROTOCOL_VERSION, nodeId: 'n1', generation, revision: generation, state } };
}

function applied(ledger: Ledger): Ledger {
  const { desired } = ledger;
  return desired === undefined
    ? ledger
    : { ...ledger, applied: { generation: desired.generation, revision: desired.revision, hashes: hashesOf(desired.state) } };
}

describe('the ledger on disk', () => {
  let folder = '';
  let damaged: unknown[] = [];
  const path = (): string => join(folder, 'ledger.json');
  const changes = (): string => join(folder, 'ledger.changes');
  const opened = () => ledgerFile(path(), (error) => damaged.push(error));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-ledger-'));
    damaged = [];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is written whole once, and then what changes', async () => {
    const file = opened();
    const one = ledgerAt(1, 'a', 'b');
    await file.write(one);
    const whole = readFileSync(path(), 'utf8');
    const steps: Ledger[] = [applied(one)];
    steps.push({ ...ledgerAt(2, 'a', 'c'), applied: steps[0]?.applied, retiring: stateWith('b').endpoints, start: 7 });
    steps.push(applied(steps[1] ?? one));
    steps.push({ ...(steps[2] ?? one), retiring: {} });
    for (const step of steps) {
      await file.write(step);
      expect(await opened().read()).toEqual(step);
    }
    expect(readFileSync(path(), 'utf8')).toBe(whole);
    expect(readFileSync(changes(), 'utf8').trimEnd().split('\n')).toHaveLength(4);
    expect(statSync(changes()).mode & 0o777).toBe(0o600);
    expect(damaged).toEqual([]);
  });

  it('knows what was applied of a state without its objects being written again', async () => {
    const file = opened();
    await file.write(ledgerAt(1, 'a'));
    const next = ledgerAt(2, 'a', 'b');
    const { desired } = next;
    if (desired === undefined) throw new Error('it has a state');
    await file.write(next);
    const [waits] = desired.state.objects;
    const before = statSync(changes()).size;
    await file.write({ ...next, applied: appliedOf(desired, [waits?.key ?? '']) });
    expect(statSync(changes()).size - before).toBeLessThan(300);
    const { [waits?.key ?? '']: _waits, ...hashes } = hashesOf(desired.state);
    const read = await opened().read();
    expect({ ...read.applied }).toMatchObject({ generation: 2, revision: 2, hashes });
    expect(Object.keys(read.applied?.hashes ?? {})).toEqual(Object.keys(hashes));
    // And when the whole is written.
    const anew = ledgerFile(join(folder, 'anew', 'ledger.json'), () => undefined);
    await anew.write(read);
    expect((await anew.read()).applied?.hashes).toEqual(hashes);
  });

  it('goes on where another process left off', async () => {
    await opened().write(ledgerAt(1, 'a'));
    for (let generation = 2; generation < 6; generation++) {
      const file = opened();
      await file.read();
      await file.write(ledgerAt(generation, 'a', `n${generation}`));
    }
    expect(await opened().read()).toEqual(ledgerAt(5, 'a', 'n5'));
    expect(readFileSync(changes(), 'utf8').trimEnd().split('\n')).toHaveLength(4);
  });

  it('believes the changes up to the one that was cut short, and what is written behind that', async () => {
    const file = opened();
    for (const generation of [1, 2, 3]) await file.write(ledgerAt(generation, 'a', `n${generation}`));
    const { size } = statSync(changes());
    const ends = [...readFileSync(changes(), 'utf8').matchAll(/\n/g)].map(({ index }) => index + 1);
    for (let length = size - 1; length >= 0; length--) {
      truncateSync(changes(), length);
      const generation = 1 + ends.filter((end) => end <= length).length;
      expect((await opened().read()).desired?.generation).toBe(generation);
    }
    const again = opened();
    appendFileSync(changes(), 'half a li');
    await again.read();
    await again.write(ledgerAt(9, 'z'));
    expect(await opened().read()).toEqual(ledgerAt(9, 'z'));
    expect(damaged).toEqual([]);
  });

  it('takes nothing from changes of an earlier whole', async () => {
    const file = opened();
    for (const generation of [1, 2]) await file.write(ledgerAt(generation, 'a', `n${generation}`));
    const stale = readFileSync(changes());
    // Of another node id: only a whole ledger will do.
    const other = ledgerAt(1, 'x');
    const anew: Ledger = { ...other, desired: other.desired && { ...other.desired, nodeId: 'n2' } };
    await file.write(anew);
    writeFileSync(changes(), stale);
    expect(await opened().read()).toEqual(anew);
    await file.write(applied(anew));
    expect(await opened().read()).toEqual(applied(anew));
  });

  it('is written anew before the changes outgrow it', async () => {
    const file = opened();
    const many = Array.from({ length: 40 }, (_, i) => `n${i}`);
    let largest = 0;
    for (let generation = 1; generation <= 60; generation++) {
      await file.write(ledgerAt(generation, ...many.map((name) => `${name}x${generation}`)));
      if (existsSync(changes())) largest = Math.max(largest, statSync(changes()).size);
    }
    expect(largest).toBeLessThanOrEqual(Math.max(64 * 1024, statSync(path()).size));
    expect((await opened().read()).desired?.generation).toBe(60);
  });

  it('of an older release is read, and then written as ours', async () => {
    const { desired } = ledgerAt(1, 'a');
    writeFileSync(path(), JSON.stringify({ format: 2, desired, retiring: {} }));
    const file = opened();
    expect(await file.read()).toEqual(ledgerAt(1, 'a'));
    await file.write(ledgerAt(2, 'b'));
    expect(existsSync(changes())).toBe(false);
    expect(await opened().read()).toEqual(ledgerAt(2, 'b'));
  });
});
