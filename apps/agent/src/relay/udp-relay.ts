import { spawn } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inNamespace, type UdpRelay } from '@portolan/kernel';
import { portolanError } from '@portolan/model';
import { type ObservedObject, observedObject } from '@portolan/node-state';
import type { Log } from '../log.js';
import { ask, greet } from './client.js';
import type { RelayCounters } from './counters.js';
import { makesDevice, SPACE, setsSomething } from './lines.js';
import { versionOf } from './version.js';

/** The relay of a node, as the agent has it. The program outlives it. */
export interface AgentUdpRelay extends UdpRelay {
  /** Since the program began; undefined when none runs or it has no device. Fails with `apply-failed` when it does not answer. */
  counters(): Promise<RelayCounters | undefined>;
}

export interface UdpRelaySettings {
  readonly runDirectory: string;
  /** File of the program; see `relayProgram`. */
  readonly program: string;
  /** Path of the network namespace that it runs in; that of this process unless given. */
  readonly namespace?: string;
  readonly log: Log;
}

/** For a program to start, in milliseconds, and how often it is looked. */
const START = 10_000;
const LOOK = 10;
/** The log of the program begins anew beyond this many bytes when it is started. */
const LOG_SIZE = 1024 * 1024;

/** The program as it was built: beside this file, or beside the bundle that this file is in. */
export function relayProgram(): string {
  const here = fileURLToPath(import.meta.url);
  return join(dirname(here), basename(dirname(here)) === 'relay' ? `main${extname(here)}` : 'udp-relay.js');
}

/** The relay of a run directory, whose program is started when there is something to relay, and found again by its socket. */
export function udpRelay({ runDirectory, program, namespace, log }: UdpRelaySettings): AgentUdpRelay {
  let adoption: Promise<void> | undefined;

  const start = async (): Promise<void> => {
    mkdirSync(runDirectory, { recursive: true, mode: 0o755 });
    const output = openSync(join(runDirectory, 'udp-relay.log'), 'a', 0o600);
    if (fstatSync(output).size > LOG_SIZE) ftruncateSync(output);
    const begin = () => spawn(process.execPath, [program, '--run', runDirectory], { detached: true, cwd: '/', stdio: ['ignore', output, output] });
    // A process begins in the namespace of the thread that starts it.
    const child = namespace === undefined ? begin() : inNamespace(namespace, begin);
    closeSync(output);
    let end: string | undefined;
    child.once('error', (error) => (end = error.message));
    child.once('exit', (code, signal) => (end = `it ended with ${code ?? signal}; see udp-relay.log in ${runDirectory}`));
    child.unref();
    for (const late = performance.now() + START; performance.now() < late; await sleep(LOOK)) {
      if ((await greet(runDirectory, START)) !== undefined) {
        log.info({ pid: child.pid }, 'the udp relay was started');
        return;
      }
      if (end !== undefined) break;
    }
    throw portolanError('apply-failed', '', `the udp relay did not start: ${end ?? `nobody answers within ${START} ms`}`);
  };

  /** Once: a program of another version hands over to ours. */
  const adopt = async (): Promise<void> => {
    const hello = await greet(runDirectory);
    if (hello === undefined) return;
    if (hello.version === versionOf(program)) return log.info({ pid: hello.pid }, 'the udp relay goes on');
    const began = performance.now();
    try {
      await ask(runDirectory, { kind: 'replace', program }, 3 * START);
      log.info({ pid: hello.pid, milliseconds: performance.now() - began }, 'the udp relay was replaced by this version');
    } catch (error) {
      log.warn({ err: error, pid: hello.pid }, 'the udp relay of another version goes on, because it cannot be replaced');
    }
  };
  const adopted = (): Promise<void> => {
    adoption ??= adopt().catch((error: unknown) => {
      adoption = undefined;
      throw error;
    });
    return adoption;
  };

  return {
    change: async (text) => {
      await adopted();
      if (makesDevice(text) && (await greet(runDirectory)) === undefined) await start();
      const answer = await ask(runDirectory, { kind: 'change', text });
      // What is to go is gone where nobody relays.
      if (answer === undefined && setsSomething(text)) throw portolanError('apply-failed', '', 'the udp relay does not run, and its device is not asked for');
    },
    observed: async () => {
      await adopted();
      const answer = await ask(runDirectory, { kind: 'observe' });
      if (answer === undefined || !('state' in answer)) return [];
      const { device, peers } = answer.state;
      const objects: ObservedObject[] = peers.map((peer) => observedObject(SPACE, peer));
      if (device === undefined) return objects;
      const relay = observedObject(SPACE, device.body);
      return [device.isWell ? relay : { ...relay, hash: '' }, ...objects];
    },
    counters: async () => {
      await adopted();
      const answer = await ask(runDirectory, { kind: 'counters' });
      return answer !== undefined && 'counters' in answer ? answer.counters : undefined;
    },
  };
}
