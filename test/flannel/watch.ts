import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabMachine } from '@portolan/harness';
import { capturedPackets, type Packet } from '../capture/packets.js';

/** What became of a series of pings. */
export interface Pings {
  readonly sent: number;
  readonly received: number;
  /** TTLs of the answers, each once. */
  readonly ttls: readonly number[];
  readonly output: string;
}

function pingsOf(output: string): Pings {
  const [, sent = '0', received = '0'] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
  return { sent: Number(sent), received: Number(received), ttls: [...new Set([...output.matchAll(/ttl=(\d+)/g)].map(([, ttl]) => Number(ttl)))], output };
}

export interface PingOptions {
  readonly count?: number;
  /** Of the data in each, in bytes: the packet is 28 longer. */
  readonly size?: number;
  /** Never in pieces: DF is set. */
  readonly whole?: boolean;
}

/** Pings from a namespace, five a second. */
export async function ping(machine: LabMachine, netns: string, target: string, { count = 1, size, whole = false }: PingOptions = {}): Promise<Pings> {
  const options = [...(size === undefined ? [] : ['-s', String(size)]), ...(whole ? ['-M', 'do'] : [])];
  const argv = ['nsenter', `--net=${netns}`, '--', 'ping', '-n', '-c', String(count), '-i', '0.2', '-W', '1', ...options, target] as const;
  const { stdout, stderr } = await machine.run(argv);
  return pingsOf(stdout + stderr);
}

/** Something that runs until it is stopped, and then tells what it saw. */
export interface Running<T> {
  stop(): Promise<T>;
}

async function started(machine: LabMachine, netns: string, argv: readonly string[], ready: string): Promise<{ readonly log: string } & Running<string>> {
  const folder = mkdtempSync(join(tmpdir(), 'flannel-'));
  const log = join(folder, 'log');
  const running = await machine.start(['nsenter', `--net=${netns}`, '--', ...argv.map((argument) => argument.replace('FOLDER', folder))], { logFile: log });
  for (let waited = 0; !readFileSync(log, 'utf8').includes(ready); waited += 20) {
    if (waited > 10_000) throw new Error(`${argv[0]} is not ready: ${readFileSync(log, 'utf8')}`);
    await sleep(20);
  }
  return {
    log,
    async stop() {
      await running.kill('SIGINT');
      await running.exited;
      return folder;
    },
  };
}

/** Pings 50 times a second until it is stopped. The last one may be under way then; it counts when it was answered. */
export async function steadyPing(machine: LabMachine, netns: string, target: string): Promise<Running<Pings>> {
  const running = await started(machine, netns, ['ping', '-n', '-i', '0.02', target], 'PING');
  return {
    async stop() {
      const folder = await running.stop();
      const pings = pingsOf(readFileSync(running.log, 'utf8'));
      rmSync(folder, { recursive: true });
      const answered = [...pings.output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, sequence]) => Number(sequence));
      return answered.at(-1) === pings.sent ? pings : { ...pings, sent: Math.max(0, pings.sent - 1) };
    },
  };
}

/** Takes down every IPv4 packet that goes over a link, as tcpdump sees it. */
export async function capture(machine: LabMachine, netns: string, link: string): Promise<Running<readonly Packet[]>> {
  const argv = ['tcpdump', '-n', '-i', link, '-s', '0', '-U', '--immediate-mode', '-Z', 'root', '-w', 'FOLDER/packets', 'ip'];
  const running = await started(machine, netns, argv, 'listening on');
  return {
    async stop() {
      // What has arrived is with tcpdump at once, and a little later in the file.
      await sleep(100);
      const folder = await running.stop();
      const packets = capturedPackets(readFileSync(join(folder, 'packets')));
      rmSync(folder, { recursive: true });
      return packets;
    },
  };
}
