import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { neededCapabilities, type Privileges, privilegesIn } from '@portolan/kernel/privileges';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { built } from './built.js';
import { until } from './stage.js';

// What the agent may do, and what it starts may: as /proc says.

const root = fileURLToPath(new URL('../../..', import.meta.url));

const needed = Object.values(neededCapabilities).reduce((set, capability) => set | (1n << BigInt(capability)), 0n);
const onlyNeeded: Omit<Privileges, 'inheritable'> = { permitted: needed, effective: needed, bounding: needed, noNewPrivileges: true };

interface Told {
  readonly what: string;
  readonly status: string;
}

/** What the program of this test says of itself, started with fewer privileges than this test has. */
async function told(...limits: readonly string[]): Promise<readonly Told[]> {
  const [file, ...argv] = [...limits, process.execPath, program];
  const { stdout } = await promisify(execFile)(file ?? '', argv, { cwd: root });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told);
}

let builds: string;
let program: string;
beforeAll(async () => {
  builds = mkdtempSync(join(tmpdir(), 'portolan-privileges-'));
  program = await built(new URL('./privileges-program.ts', import.meta.url), join(builds, 'program.mjs'));
});
afterAll(() => rmSync(builds, { recursive: true, force: true }));

let child: ChildProcess | undefined;
let folder: string | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

describe('privileges', () => {
  it('are four, of each thread and of every process that is started', async () => {
    const all = await told();
    const has = (what: string): readonly Privileges[] => all.filter((one) => one.what === what).map(({ status }) => privilegesIn(status));
    // The main thread, those of V8, of files, of the worker.
    expect(has('thread').length).toBeGreaterThan(6);
    for (const privileges of [...has('thread'), ...has('tool'), ...has('program')]) expect(privileges).toMatchObject(onlyNeeded);
    expect(has('tool')).toHaveLength(1);
    expect(has('program')).toHaveLength(1);
    expect(all.find(({ what }) => what === 'mark')?.status).toBe('undefined');
  });

  it('are given up where the bounding set may not be changed, and nothing gets them back', async () => {
    const all = await told('setpriv', '--bounding-set=-setpcap', '--');
    for (const { what, status } of all)
      if (what !== 'mark') expect(privilegesIn(status)).toMatchObject({ permitted: needed, effective: needed, noNewPrivileges: true });
  });

  it('are left as they are where there is nothing to give up', async () => {
    const all = await told('setpriv', '--bounding-set=-all,+net_admin,+sys_admin', '--');
    const [first] = all;
    const both = (1n << 12n) | (1n << 21n);
    expect(privilegesIn(first?.status ?? '')).toMatchObject({ permitted: both, bounding: both, noNewPrivileges: false });
  });

  it('of the agent are these, in the same process as it was started in', async () => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-privileged-'));
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
    const start = fileURLToPath(new URL('../src/start.ts', import.meta.url));
    const agent = spawn('unshare', ['--net', '--', process.execPath, '--import', 'tsx', '--conditions=source', start, ...options], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = agent;
    let output = '';
    agent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.includes('the last one stays in force'), 'a start', 25_000);
    for (const thread of readdirSync(`/proc/${agent.pid}/task`))
      expect(privilegesIn(readFileSync(`/proc/${agent.pid}/task/${thread}/status`, 'utf8'))).toMatchObject(onlyNeeded);
    agent.kill('SIGTERM');
    expect(await new Promise((resolve) => agent.once('exit', resolve))).toBe(0);
  }, 60_000);
});
