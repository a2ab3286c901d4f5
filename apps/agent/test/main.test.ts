import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeState, nothingToWatch } from '@portolan/node-state';
import { PROTOCOL_VERSION } from '@portolan/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ledgerFile } from '../src/ledger.js';
import { until } from './stage.js';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-main-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<number | string>;
}

/** The program in a network of its own, so that it never sees the machine's. */
function start(...args: readonly string[]): Started {
  const options = [
    '--url',
    'http://127.0.0.1:1',
    '--cluster',
    'lab',
    '--node',
    'node1',
    '--run-dir',
    join(folder, 'run'),
    '--state-dir',
    join(folder, 'state'),
  ];
  const [unshare, ...argv] = ['unshare', '--net', '--', process.execPath, '--import', 'tsx', '--conditions=source', main, ...args, ...options];
  const child = spawn(unshare, argv, { cwd: root, env: { ...process.env, REDIS_URL: '', ETCD_ENDPOINTS: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, exited: new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? ''))) };
}

describe('portolan-agent', () => {
  it('logs JSON with cluster and node, survives SIGKILL, excludes a second one, stops on SIGTERM, and purges', async () => {
    const ledger = ledgerFile(join(folder, 'state', 'ledger.json'), () => undefined);
    await ledger.write({
      desired: {
        protocol: PROTOCOL_VERSION,
        nodeId: 'n1',
        generation: 4,
        revision: 9,
        state: nodeState({ cluster: 'lab', node: 'node1', address: '127.0.0.1', endpoints: {}, watch: nothingToWatch, objects: [] }),
      },
      applied: undefined,
      retiring: {},
      start: 0,
    });

    const killed = start();
    await until(() => killed.output().includes('the last one stays in force'), 'first run', 20_000);
    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain('works with');
    killed.child.kill('SIGKILL');
    expect(await killed.exited).toBe('SIGKILL');

    const heir = start('run');
    // Without IPVS in this kernel the run fails and says so, with it the empty state is applied; either way it ran.
    await until(() => /"generation":4,.*no usable state|sync failed/.test(heir.output()), 'the run of the heir', 20_000);
    heir.child.kill('SIGTERM');
    expect(await heir.exited).toBe(0);
    const lines = heir
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ cluster: 'lab', node: 'node1', generation: 4, revision: 9, msg: 'agent starts' });
    expect(lines.at(-1)).toMatchObject({ msg: 'agent stopped; the data path stays' });

    expect(await start('purge').exited).toBe(0);
    expect(existsSync(join(folder, 'state', 'ledger.json'))).toBe(false);
  }, 60_000);

  it('names every setting that is wrong', async () => {
    const wrong = start('--listen', 'nonsense', '--resync', '0', '--traffic', '0.5');
    expect(await wrong.exited).toBe(1);
    expect(wrong.output()).toMatch(
      /resync is "0"\n {2}Write 1 to 86400 seconds\.\ntraffic is "0\.5"\n {2}Write 1 to 86400 seconds, or 0 for none\.\n"nonsense" is not HOST:PORT/,
    );
  });
});
