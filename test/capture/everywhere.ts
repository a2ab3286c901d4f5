import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Argv, LabMachine, MachineProcess } from '@portolan/harness';
import { until } from '../until.js';
import { type CookedPacket, cookedPackets } from './cooked.js';
import type { Packet } from './packets.js';

/** A network namespace that is watched. */
export interface Watched {
  readonly node: string;
  /** As the test calls it. */
  readonly name: string;
  /** Absolute path of the namespace. */
  readonly netns: string;
}

/** A packet at a device. */
export interface Sighting extends Watched {
  readonly device: string;
  readonly direction: 'in' | 'out';
  readonly packet: Packet;
}

export interface Capture {
  /** What was seen while it was done and shortly after, in all namespaces, in the order of time. */
  during(work: () => Promise<unknown>): Promise<readonly Sighting[]>;
  stop(): Promise<void>;
}

/** What no flow of these tests needs stays in the kernel: of TCP the beginnings of connections, and what is wrapped in UDP. */
const FILTER = 'ip and (icmp or udp or (tcp and tcp[13] & 2 != 0))';
/** Milliseconds until what a program has sent is with the captures. */
const SETTLES = 100;

/**
 * A capture in each namespace on all of its devices, none of them promiscuous. All on one machine: only there the clock is one, by which what
 * was seen is put in order.
 */
export async function captureEverywhere(machine: LabMachine, spaces: readonly Watched[]): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'capture-'));
  const watchers = await Promise.all(spaces.map((space, index) => watcher(machine, space, join(folder, String(index)))));
  const settled = async (): Promise<void> => {
    await sleep(SETTLES);
    // A guest writes its files into this machine's when it pleases.
    await machine.run(['sync', ...watchers.map(({ file }) => file)]);
  };
  return {
    async during(work) {
      await settled();
      for (const own of watchers) own.ignoreSoFar();
      await work();
      await settled();
      const seen = await Promise.all(watchers.map((own) => own.seen()));
      return seen
        .flat()
        .toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
        .map(({ time: _time, ...sighting }) => sighting);
    },
    async stop() {
      await Promise.all(watchers.map((own) => own.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Watcher {
  readonly file: string;
  /** What has been seen so far is not told any more. */
  ignoreSoFar(): void;
  seen(): Promise<readonly (Sighting & { readonly time: bigint })[]>;
  stop(): Promise<void>;
}

async function watcher(machine: LabMachine, space: Watched, path: string): Promise<Watcher> {
  const inSpace = (...argv: readonly string[]): Argv => ['nsenter', `--net=${space.netns}`, '--', ...argv];
  // Headers are enough: the buffer is divided into parts of this size.
  const options = [
    '-n',
    '-p',
    '-i',
    'any',
    '-y',
    'LINUX_SLL2',
    '--time-stamp-precision=nano',
    '--immediate-mode',
    '-U',
    '-s',
    '512',
    '-B',
    '512',
    '-Z',
    'root',
  ];
  const log = `${path}.log`;
  const tcpdump: MachineProcess = await machine.start(inSpace('tcpdump', ...options, '-w', path, FILTER), { logFile: log });
  await until(`a capture in ${space.name} of ${space.node}`, 30, async () => readFileSync(log, 'utf8').includes('listening on'), 50);

  let devices = new Map<number, string>();
  const deviceOf = async (link: number): Promise<string> => {
    if (!devices.has(link)) {
      const { stdout } = await machine.run(inSpace('ip', '-o', 'link'));
      devices = new Map([...stdout.matchAll(/^(\d+): ([^:@]+)/gm)].map(([, index, name = '']) => [Number(index), name]));
    }
    return devices.get(link) ?? `link ${link}`;
  };
  let ignored = 0;
  const packets = (): readonly CookedPacket[] => cookedPackets(readFileSync(path));
  return {
    file: path,
    ignoreSoFar() {
      ignored = packets().length;
    },
    async seen() {
      const seen: (Sighting & { time: bigint })[] = [];
      for (const { time, link, direction, packet } of packets().slice(ignored)) {
        seen.push({ ...space, time, device: await deviceOf(link), direction, packet });
      }
      return seen;
    },
    async stop() {
      await tcpdump.kill('SIGTERM');
      await tcpdump.exited;
    },
  };
}
