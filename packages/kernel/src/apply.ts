import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Batch, Layout, Tool } from '@portolan/render';
import type { AppliedBatch, Exec, Executed } from './ports.js';
import { commandIn, namespaceFile, ownPath } from './spaces.js';
import type { Iptables } from './tools.js';

/** Seconds to wait for another program that holds the lock of iptables. */
const IPTABLES_WAIT = '10';

/** A namespace file may have been mounted over more than once; each layer is taken off. */
const MOUNT_LAYERS = 8;

type Executor = (path: string | undefined, text: string) => Promise<Executed>;

/** What ran, as if it had been one process. */
function joined(ran: readonly Executed[]): Executed {
  return {
    command: ran.map(({ command }) => command).join(' && '),
    exitCode: ran.at(-1)?.exitCode ?? 0,
    stdout: ran.map(({ stdout }) => stdout).join(''),
    stderr: ran.map(({ stderr }) => stderr).join(''),
    milliseconds: ran.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
  };
}

/**
 * Makes own namespaces, or completes those of which only the file is there; one process for all, because `unshare`
 * becomes the program that it is given. Nothing but the file in our own run directory names a namespace: several
 * agents share one machine in the lab.
 */
async function addNamespaces(exec: Exec, paths: readonly string[]): Promise<readonly Executed[]> {
  const argv: string[] = [];
  for (const path of paths) {
    if ((await namespaceFile(path)).state === 'mounted') continue;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await (await open(path, 'a', 0o444)).close();
    argv.push('unshare', `--net=${path}`, '--');
  }
  const [first, ...rest] = argv;
  return first === undefined ? [] : [await exec.run([first, ...rest, 'true'])];
}

/**
 * Removes the own namespace NAME. Its links are deleted first, because the kernel takes a namespace apart some time
 * after the last reference is gone, and until then a VTEP in it keeps its VNI from being used again.
 */
async function deleteNamespace(exec: Exec, path: string): Promise<readonly Executed[]> {
  const ran: Executed[] = [];
  for (let layer = 0; layer < MOUNT_LAYERS && (await namespaceFile(path)).state === 'mounted'; layer++) {
    if (layer === 0) {
      const shown = await exec.run(commandIn(path, ['ip', '-o', 'link', 'show']));
      const names = [...shown.stdout.matchAll(/^\d+: ([^:@\s]+)/gm)].map(([, name]) => name).filter((name) => name !== undefined && name !== 'lo');
      // Both ends of a pair may be in here, and a device that the kernel owns stays: only the namespace itself must go.
      if (names.length > 0) await exec.run(commandIn(path, ['ip', '-force', '-batch', '-']), names.map((name) => `link delete dev ${name}\n`).join(''));
    }
    const unmounted = await exec.run(['umount', path]);
    ran.push(unmounted);
    if (unmounted.exitCode !== 0) return ran;
  }
  await rm(path, { force: true });
  return ran;
}

/** Lines `add NAME` and `delete NAME`; deletions first, as a namespace that is made anew is in both. */
async function changeNamespaces(exec: Exec, runDirectory: string, text: string): Promise<Executed> {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
  const pathsOf = (verb: string): string[] => lines.filter(([first]) => first === verb).map(([, name = '']) => ownPath(runDirectory, name));
  const ran: Executed[] = [];
  for (const path of pathsOf('delete')) {
    ran.push(...(await deleteNamespace(exec, path)));
    if ((ran.at(-1)?.exitCode ?? 0) !== 0) return joined(ran);
  }
  ran.push(...(await addNamespaces(exec, pathsOf('add'))));
  return joined(ran);
}

/** `ipvsadm -R` goes on after a bad line and answers with the exit code of the last one, so what it says is what counts. */
function judgedByMessages(ran: Executed): Executed {
  return ran.exitCode === 0 && ran.stderr.trim() !== '' ? { ...ran, exitCode: 1 } : ran;
}

/** Applies batches: one process each, its text on standard input. */
export function batchApplier(exec: Exec, runDirectory: string, layout: Layout, iptables: () => Promise<Iptables>) {
  const executors: Readonly<Record<Tool, Executor>> = {
    netns: (_path, text) => changeNamespaces(exec, runDirectory, text),
    ip: (path, text) => exec.run(commandIn(path, ['ip', '-batch', '-']), text),
    bridge: (path, text) => exec.run(commandIn(path, ['bridge', '-batch', '-']), text),
    sysctl: (path, text) => exec.run(commandIn(path, ['sysctl', '-p', '-']), text),
    'iptables-restore': async (path, text) => exec.run(commandIn(path, [...(await iptables()).restore, '--noflush', '--wait', IPTABLES_WAIT]), text),
    ipvsadm: async (path, text) => judgedByMessages(await exec.run(commandIn(path, ['ipvsadm', '-R']), text)),
  };
  return async (batches: readonly Batch[]): Promise<readonly AppliedBatch[]> => {
    const applied: AppliedBatch[] = [];
    for (const batch of batches) {
      const path = batch.tool === 'netns' || batch.space === 'host' ? undefined : layout.pathOf(batch.space);
      const ran = await executors[batch.tool](path, batch.text);
      applied.push({ ...ran, batch });
      if (ran.exitCode !== 0) break;
    }
    return applied;
  };
}
