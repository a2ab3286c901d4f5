import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Exec, type Executed, holdRunDirectory, openLinuxKernel } from '../src/index.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let children: ChildProcess[];
beforeEach(() => {
  host = makeThrowawayHost();
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map(end));
  host.dispose();
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  });
}

/** A process in a namespace of its own, as a container has one. */
async function containerProcess(): Promise<ChildProcess & { readonly pid: number }> {
  const [unshare, ...argv] = ['unshare', '--net', '--', 'sh', '-c', 'echo in; exec sleep 600'] as const;
  const child = spawn(unshare, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  if (child.pid === undefined) throw new Error('no process');
  return child as ChildProcess & { readonly pid: number };
}

function answer(stdout: string, exitCode = 0): Executed {
  return { command: '', exitCode, stdout, stderr: '', milliseconds: 0 };
}

/** A container engine that knows these containers. */
function fakeEngine(pids: Record<string, number>): Exec & { readonly asked: string[][] } {
  const asked: string[][] = [];
  return {
    asked,
    started: 0,
    run: async (argv) => {
      asked.push([...argv]);
      const names = argv.slice(argv.indexOf('--format') + 2);
      const known = names.filter((name) => name in pids);
      return answer(known.map((name) => `${name}0123456789ab /${name} ${pids[name]}\n`).join(''), known.length === names.length ? 0 : 1);
    },
  };
}

describe('resolve', () => {
  it('finds namespaces by path and takes a leftover file, a missing one and a plain file for absent', async () => {
    const kernel = openLinuxKernel(host);
    const path = host.container('a');
    const plain = join(host.runDirectory, '..', 'plain');
    writeFileSync(plain, '');
    const { found, refused } = await kernel.resolve({
      a: { attachment: { netns: path } },
      b: { attachment: { netns: plain } },
      c: { attachment: { netns: '/nowhere/at/all' } },
    });
    expect(found).toEqual({ a: { path, incarnation: expect.stringMatching(/^\d+:\d+@/) } });
    expect(refused).toEqual({});
  });

  it('tells a namespace from another one at the same path', async () => {
    const kernel = openLinuxKernel(host);
    const endpoints = { a: { attachment: { netns: host.container('a') } } };
    const first = (await kernel.resolve(endpoints)).found.a?.incarnation;
    expect((await kernel.resolve(endpoints)).found.a?.incarnation).toBe(first);
    host.removeContainer('a');
    host.container('a');
    const second = (await kernel.resolve(endpoints)).found.a?.incarnation;
    expect(second).toBeDefined();
    expect(second).not.toBe(first);
  });

  it("refuses the host's own namespace, and two endpoints in one namespace", async () => {
    const kernel = openLinuxKernel(host);
    const path = host.container('a');
    const { found, refused } = await kernel.resolve({
      a: { attachment: { netns: path } },
      b: { attachment: { netns: path } },
      c: { attachment: { netns: host.host } },
    });
    expect(Object.keys(found)).toEqual(['a']);
    expect(refused.b?.message).toContain('of endpoint a already');
    expect(refused.c?.message).toContain('of the host itself');
  });

  it('finds the namespace of a process while it lives', async () => {
    const kernel = openLinuxKernel(host);
    const child = await containerProcess();
    const endpoints = { a: { attachment: { pid: child.pid } } };
    expect((await kernel.resolve(endpoints)).found.a?.path).toBe(`/proc/${child.pid}/ns/net`);
    await end(child);
    expect((await kernel.resolve(endpoints)).found).toEqual({});
  });

  it('never takes a later process of the same number for the one that it attached to, after a restart either', async () => {
    const child = await containerProcess();
    const endpoints = { a: { attachment: { pid: child.pid } } };
    await openLinuxKernel(host).resolve(endpoints);
    const file = join(host.runDirectory, 'attached', 'a.json');
    const remembered = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; startTime: string };
    expect(remembered.pid).toBe(child.pid);
    writeFileSync(file, JSON.stringify({ ...remembered, startTime: '1' }));
    expect((await openLinuxKernel(host).resolve(endpoints)).found).toEqual({});
  });

  it('asks a container engine once for all, and not again while the processes live', async () => {
    const [one, two] = [await containerProcess(), await containerProcess()];
    const pids: Record<string, number> = { web: one.pid, api: two.pid };
    const engine = fakeEngine(pids);
    const kernel = openLinuxKernel({ runDirectory: host.runDirectory, exec: engine });
    const endpoints = { a: { attachment: { container: 'web' } }, b: { attachment: { container: 'api' } } };
    const { found } = await kernel.resolve(endpoints);
    expect(found.a?.path).toBe(`/proc/${one.pid}/ns/net`);
    expect(found.b?.path).toBe(`/proc/${two.pid}/ns/net`);
    await kernel.resolve(endpoints);
    expect(engine.asked).toHaveLength(1);

    await end(one);
    delete pids.web;
    expect(Object.keys((await kernel.resolve(endpoints)).found)).toEqual(['b']);
    const restarted = await containerProcess();
    pids.web = restarted.pid;
    expect((await kernel.resolve(endpoints)).found.a?.path).toBe(`/proc/${restarted.pid}/ns/net`);
  });
});

describe('holdRunDirectory', () => {
  it('lets one living process in, and takes over from a dead one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-hold-'));
    try {
      const child = await containerProcess();
      const startTime = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'holder.json'), JSON.stringify({ pid: child.pid, startTime }));
      await expect(holdRunDirectory(folder)).rejects.toMatchObject({ code: 'in-use' });
      await end(child);
      const release = await holdRunDirectory(folder);
      expect(JSON.parse(readFileSync(join(folder, 'holder.json'), 'utf8'))).toMatchObject({ pid: process.pid });
      await release();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
