import { readFileSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PortolanError } from '@portolan/model';
import type { Batch, Layout, Tool } from '@portolan/render';
import { commandLine } from './exec.js';
import type { OwnFiles } from './files.js';
import { mountNewNamespace, unmountNamespace } from './in-namespace.js';
import { writeIpvs } from './ipvs-write.js';
import type { AppliedBatch, Executed, FoundNamespace, NameServer, UdpRelay } from './ports.js';
import { inSpace, namespaceFile, ownPath, type Surroundings } from './spaces.js';
import { type StopReader, stopByName, stopOfIproute } from './stops.js';
import { writeSysctls } from './sysctls.js';
import { type Iptables, LOAD_FLOWS } from './tools.js';

/** Seconds to wait for another program that holds the lock of iptables. */
const IPTABLES_WAIT = '10';

/** A namespace file may have been mounted over more than once; each layer is taken off. */
const MOUNT_LAYERS = 8;

/** What there is beside the surroundings to carry out a batch with. */
export interface Means {
  readonly layout: Layout;
  readonly iptables: () => Promise<Iptables>;
  readonly names: NameServer;
  readonly relay: UdpRelay;
  readonly files: OwnFiles;
  /** Endpoints' namespaces as the last observation found them. */
  readonly found: () => Readonly<Record<string, FoundNamespace>>;
}

type Executor = (text: string, path: string | undefined, goesOn: boolean) => Promise<Executed>;

/** Work without a process, told as if one had done it: it answers with what went wrong. */
async function told(command: string, work: () => Promise<string> | string): Promise<Executed> {
  const begin = performance.now();
  const stderr = await work();
  return { command, exitCode: stderr === '' ? 0 : 1, stdout: '', stderr, milliseconds: performance.now() - begin };
}

/**
 * Makes an own namespace, or completes one of which only the file is there. Nothing but the file in our own run
 * directory names it: several agents share one machine in the lab.
 */
async function addNamespace(path: string): Promise<void> {
  if ((await namespaceFile(path)).state === 'mounted') return;
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await (await open(path, 'a', 0o444)).close();
  mountNewNamespace(path);
}

/**
 * Removes an own namespace. Its links are deleted first, because the kernel takes a namespace apart some time
 * after the last reference is gone, and until then a VTEP in it keeps its VNI from being used again.
 */
async function deleteNamespace({ exec }: Surroundings, path: string): Promise<void> {
  for (let layer = 0; layer < MOUNT_LAYERS && (await namespaceFile(path)).state === 'mounted'; layer++) {
    const links = inSpace(path, () => readFileSync('/proc/thread-self/net/dev', 'utf8'));
    const names = [...links.matchAll(/^\s*([^:\s]+):/gm)].map(([, name]) => name).filter((name) => name !== undefined && name !== 'lo');
    // Both ends of a pair may be in here, and a device that the kernel owns stays: only the namespace itself must go.
    if (names.length > 0) {
      await exec.run(['ip', '-force', '-batch', '-'], { namespace: path, input: names.map((name) => `link delete dev ${name}\n`).join('') });
    }
    unmountNamespace(path);
  }
  await rm(path, { force: true });
}

/**
 * Lines `add NAME` and `delete NAME`; deletions first, as a namespace that is made anew is in both. The answer has a line `LINE: why` for
 * each that failed.
 */
async function changeNamespaces(surroundings: Surroundings, text: string): Promise<string> {
  const lines = text.split('\n').filter((line) => line !== '');
  let failures = '';
  const carryOut = async (verb: string, change: (path: string) => Promise<void>): Promise<void> => {
    for (const line of lines) {
      const [first, name = ''] = line.split(' ');
      if (first !== verb) continue;
      try {
        await change(ownPath(surroundings.runDirectory, name));
      } catch (error) {
        if (!(error instanceof PortolanError && error.code === 'apply-failed')) throw error;
        failures += `${line}: ${error.message}\n`;
      }
    }
  };
  await carryOut('delete', (path) => deleteNamespace(surroundings, path));
  await carryOut('add', addNamespace);
  return failures;
}

/** The tools of iproute2 name the line that failed by its number; the answer has its text, too. */
function withFailedLines(ran: Executed, input: string): Executed {
  if (ran.exitCode === 0) return ran;
  const lines = input.split('\n');
  return { ...ran, stderr: ran.stderr.replace(/^Command failed -:([0-9]+)$/gm, (said, number) => `${said}: ${lines[Number(number) - 1] ?? ''}`) };
}

/** Of the other tools a batch succeeds or fails as a whole. */
const stopReaders: Partial<Record<Tool, StopReader>> = {
  netns: stopByName((line) => line, { triesAll: true }),
  ip: stopOfIproute,
  bridge: stopOfIproute,
  sysctl: stopByName((line) => line.split(' = ', 1)[0] ?? '', { triesAll: true }),
  ipvsadm: stopByName((line) => line, { triesAll: false }),
  file: stopByName((line) => line.split(' ', 2)[1]?.slice('file/host/'.length) ?? '', { triesAll: true }),
};

/** Tools in no namespace of their own. */
const nowhere: ReadonlySet<Tool> = new Set(['netns', 'dns', 'relay', 'file']);

function executorsOf(surroundings: Surroundings, { iptables, names, relay, files, found }: Means): Readonly<Record<Tool, Executor>> {
  const { exec } = surroundings;
  const batched =
    (tool: 'ip' | 'bridge'): Executor =>
    async (input, namespace, goesOn) =>
      withFailedLines(await exec.run([tool, ...(goesOn ? ['-force'] : []), '-batch', '-'], { input, namespace }), input);
  return {
    netns: (text) => told('namespaces', () => changeNamespaces(surroundings, text)),
    ip: batched('ip'),
    bridge: batched('bridge'),
    sysctl: (text, path) => told(commandLine(['sysctl', '-p', '-'], path), () => inSpace(path, () => writeSysctls(text))),
    'iptables-restore': async (input, namespace) => exec.run([...(await iptables()).restore, '--noflush', '--wait', IPTABLES_WAIT], { input, namespace }),
    ipvsadm: (text, path) => told(commandLine(['ipvsadm', '-R'], path), () => writeIpvs(path, text)),
    // Unlike `conntrack -D` it answers with 0 where a line matched nothing.
    conntrack: (input, namespace) => exec.run(LOAD_FLOWS, { input, namespace }),
    dns: (text) =>
      told('names', async () => {
        await names.change(text, found());
        return '';
      }),
    relay: (text) =>
      told('relay', async () => {
        await relay.change(text);
        return '';
      }),
    file: (text) => told('files', () => files.change(text)),
  };
}

/** Applies batches: one process each at most, with its text on standard input. */
export function batchApplier(surroundings: Surroundings, means: Means) {
  const executors = executorsOf(surroundings, means);
  const pathOf = (space: Batch['space']): string | undefined => (space === 'host' ? surroundings.host : means.layout.pathOf(space));

  async function executed({ space, tool, text, goesOn }: Batch): Promise<Executed> {
    try {
      return await executors[tool](text, nowhere.has(tool) ? undefined : pathOf(space), goesOn === true);
    } catch (error) {
      // A namespace that has gone, names that cannot be served, a relay that does not answer: that is an answer like that of a tool.
      if (!(error instanceof PortolanError && error.code === 'apply-failed')) throw error;
      return { command: tool, exitCode: 1, stdout: '', stderr: `${error.message}\n`, milliseconds: 0 };
    }
  }

  return async (batches: readonly Batch[]): Promise<readonly AppliedBatch[]> => {
    const applied: AppliedBatch[] = [];
    const failed = new Set<Batch['space']>();
    for (const batch of batches) {
      if (failed.has(batch.space)) continue;
      const ran = await executed(batch);
      const stop = ran.exitCode === 0 ? undefined : stopReaders[batch.tool]?.(batch.text, ran.stderr, batch.goesOn === true);
      applied.push({ ...ran, batch, ...(stop === undefined ? {} : { stop }) });
      if (ran.exitCode === 0 || batch.goesOn === true) continue;
      if (!batch.space.startsWith('endpoint:')) break;
      failed.add(batch.space);
    }
    return applied;
  };
}
