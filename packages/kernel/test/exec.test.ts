import { readlinkSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { spawnExec } from '../src/exec.js';
import { makeThrowawayHost } from './throwaway-host.js';

describe('spawnExec', () => {
  it('gives input, outputs and exit code, and counts processes', async () => {
    const exec = spawnExec();
    const ran = await exec.run(['sh', '-c', 'cat; echo said >&2; exit 3'], { input: 'given' });
    expect(ran).toMatchObject({ command: 'sh -c cat; echo said >&2; exit 3', exitCode: 3, stdout: 'given', stderr: 'said\n' });
    expect(ran.milliseconds).toBeGreaterThan(0);
    await exec.run(['true'], { input: 'not read'.repeat(100_000) });
    expect(exec.started).toBe(2);
  });

  it('starts in the namespace that it is given, and is itself in its own', async () => {
    const host = makeThrowawayHost();
    try {
      const exec = spawnExec();
      const own = readlinkSync('/proc/thread-self/ns/net');
      const ran = await exec.run(['readlink', '/proc/self/ns/net'], { namespace: host.host });
      expect(ran.stdout.trim()).toBe(`net:[${statSync(host.host).ino}]`);
      expect(ran.command).toBe(`nsenter --net=${host.host} -- readlink /proc/self/ns/net`);
      expect(exec.started).toBe(1);
      expect((await exec.run(['readlink', '/proc/self/ns/net'])).stdout.trim()).toBe(own);
      await expect(exec.run(['true'], { namespace: '/nowhere/at/all' })).rejects.toMatchObject({ code: 'apply-failed' });
      expect(exec.started).toBe(2);
    } finally {
      host.dispose();
    }
  });

  it('reads no command line with a shell', async () => {
    expect((await spawnExec().run(['echo', '$(id); `id`'])).stdout).toBe('$(id); `id`\n');
  });

  it('names a program that is not installed', async () => {
    await expect(spawnExec().run(['portolan-no-such-tool'])).rejects.toMatchObject({
      code: 'tool-missing',
      message: expect.stringContaining('portolan-no-such-tool'),
    });
  });

  it('stops a process that takes too long or says too much', async () => {
    const slow = await spawnExec({ milliseconds: 50 }).run(['sleep', '30']);
    expect(slow).toMatchObject({ exitCode: 124, stderr: expect.stringContaining('50 ms') });
    const loud = await spawnExec({ outputBytes: 10_000 }).run(['yes']);
    expect(loud).toMatchObject({ exitCode: 125, stderr: expect.stringContaining('10000 bytes') });
    expect(loud.stdout.length).toBeLessThanOrEqual(10_000);
  });
});
