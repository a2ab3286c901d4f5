import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnExec } from '../src/exec.js';
import type { Exec } from '../src/index.js';

export function sh(command: string, input = ''): string {
  return execFileSync('bash', ['-euc', command], { input, encoding: 'utf8' });
}

/** A namespace that stands for a host. */
export interface ThrowawayHost {
  readonly exec: Exec;
  readonly runDirectory: string;
  readonly host: string;
  readonly fileRoot: string;
  /** Path of a namespace that stands for a container, made on first use. */
  container(name: string): string;
  removeContainer(name: string): void;
  /** Runs a command line in the host, or in the namespace of a path. */
  run(command: string, path?: string): string;
  dispose(): void;
}

export function makeThrowawayHost(): ThrowawayHost {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-kernel-'));
  const mounted = new Set<string>();
  const make = (name: string): string => {
    const path = join(folder, name);
    if (mounted.has(path)) return path;
    writeFileSync(path, '');
    sh(`unshare --net=${path} ip link set lo up`);
    mounted.add(path);
    return path;
  };
  const host = make('host');
  return {
    exec: spawnExec(),
    host,
    runDirectory: join(folder, 'run'),
    fileRoot: join(folder, 'files'),
    container: make,
    removeContainer: (name) => {
      const path = join(folder, name);
      sh(`umount ${path} && rm ${path}`);
      mounted.delete(path);
    },
    run: (command, path = host) => sh(`nsenter --net=${path} -- bash -euc '${command}'`),
    dispose: () => {
      sh(`for f in ${join(folder, 'run', 'netns')}/*; do umount $f 2>/dev/null || true; done`);
      for (const path of mounted) sh(`umount ${path} || true`);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
