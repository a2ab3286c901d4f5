import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownFiles } from '../src/files.js';
import { openLinuxKernel } from '../src/index.js';
import { readSysctls, writeSysctls } from '../src/sysctls.js';

// A state is not to make an agent do more on a host than networks need, whoever it is from.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-refusals-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a state', () => {
  it('sets no sysctl but those of the network', () => {
    const names = [
      'kernel.hostname',
      'kernel.core_pattern',
      'vm.swappiness',
      'net.//.kernel.core_pattern',
      'net.ipv4.//.//.kernel.core_pattern',
      'net.ipv4.a b',
      '',
    ];
    const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    const told = writeSysctls(names.map((name) => `${name} = |/bin/true\n`).join(''));
    expect(told.trim().split('\n')).toHaveLength(names.length);
    expect(told).toContain('kernel.core_pattern: EPERM');
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
    expect(() => readSysctls(['kernel.core_pattern'])).toThrow('no sysctl of the network');
  });

  it('writes no file but those that flannel and CNI read', async () => {
    const files = ownFiles(folder, join(folder, 'record.json'));
    for (const path of [
      '/etc/cron.d/x',
      '/etc/cni/net.d/../../cron.d/x',
      '/run/flannel',
      '/run/flannel/../x',
      '/etc/passwd',
      'etc/cni/net.d/x',
      '/etc/cni/net.d/',
    ]) {
      expect(await files.change(`set file/host/${path} ${JSON.stringify({ kind: 'file', path, content: 'x' })}\n`)).toMatch(
        /: is (no absolute path of a file|in none of the folders)/,
      );
      expect(existsSync(join(folder, path))).toBe(false);
    }
  });

  it('attaches no endpoint by a path that a tool would not take for one, or that is of the agent itself', async () => {
    const kernel = openLinuxKernel({ runDirectory: join(folder, 'run') });
    const paths = [
      '/run/netns/a b',
      '/run/netns/a\nlink delete dev eth0',
      '/run/netns/"',
      '/run/../proc/1/ns/net',
      '/run/netns/a\0',
      join(folder, 'run/netns/ingress_sbox'),
    ];
    const endpoints = Object.fromEntries(paths.map((netns, i) => [`e${i}`, { name: `e${i}`, attachment: { netns } }]));
    const { found, refused } = await kernel.resolve(endpoints);
    expect(found).toEqual({});
    expect(Object.values(refused).map(({ code }) => code)).toEqual(paths.map(() => 'invalid-document'));
  });
});
