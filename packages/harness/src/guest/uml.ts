import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatIpv4, parseIpv4 } from '@portolan/model';
import type { Executed, LabMachine, MachineProcess } from '../hosts/machine.js';
import { makeBridge, removeUnderlay } from '../hosts/native.js';
import { type Subnetwork, underlayOf } from '../hosts/underlay.js';
import { type BootedGuest, bootGuest, type GuestPlan } from './boot.js';
import { CHANNEL_PORT, type GuestAnswer, type GuestRequest, readLines } from './channel.js';

const readyWithin = 30_000;

function connectOnce(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: CHANNEL_PORT, noDelay: true, keepAlive: true });
    socket.setTimeout(1_000, () => socket.destroy(new Error('timeout')));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

async function connectGuest(guest: BootedGuest, address: string): Promise<Socket> {
  const deadline = performance.now() + readyWithin;
  let ended = false;
  void guest.process.exited.then(() => {
    ended = true;
  });
  while (performance.now() < deadline && !ended) {
    const socket = await connectOnce(address).catch(() => undefined);
    if (socket !== undefined) return socket;
    await sleep(50);
  }
  throw guest.failure(ended ? 'the guest ended while it booted' : `no answer from ${address} within ${readyWithin / 1000} s`);
}

type Exit = Awaited<MachineProcess['exited']>;

/** The lab's end of the channel: one pending promise a request. */
class GuestChannel {
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve(answer: GuestAnswer): void; reject(error: Error): void }>();
  readonly #exits = new Map<number, (exit: Exit) => void>();
  #last = 0;
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    readLines(socket, (line) => this.#take(JSON.parse(line) as GuestAnswer));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        for (const { reject } of this.#pending.values()) reject(new Error('the guest is gone'));
        for (const exit of this.#exits.values()) exit({ exitCode: null, signal: 'SIGKILL' });
      });
    });
  }

  /** Sends the token and resolves with the guest's greeting. */
  open(token: string): Promise<GuestAnswer> {
    this.#socket.write(`${token}\n`);
    return this.#expect(0);
  }

  #expect(id: number): Promise<GuestAnswer> {
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  async #request(request: GuestRequest): Promise<GuestAnswer> {
    if (this.#socket.destroyed) throw new Error('the guest is gone');
    this.#socket.write(`${JSON.stringify(request)}\n`);
    return this.#expect(request.id);
  }

  #take(answer: GuestAnswer): void {
    if (answer.op === 'exited') {
      this.#exits.get(answer.id)?.({ exitCode: answer.exitCode, signal: answer.signal });
      this.#exits.delete(answer.id);
      return;
    }
    const id = answer.op === 'ready' ? 0 : answer.id;
    this.#pending.get(id)?.resolve(answer);
    this.#pending.delete(id);
  }

  #nextId(): number {
    this.#last += 1;
    return this.#last;
  }

  async run(argv: readonly [string, ...string[]], input: string): Promise<Executed> {
    const answer = await this.#request({ id: this.#nextId(), op: 'run', argv, input });
    if (answer.op !== 'ran') throw new Error(`unexpected answer "${answer.op}" from the guest`);
    return answer.executed;
  }

  async start(argv: readonly [string, ...string[]], env: Readonly<Record<string, string>>, logFile: string): Promise<MachineProcess> {
    const id = this.#nextId();
    const exited = new Promise<Exit>((resolve) => this.#exits.set(id, resolve));
    const answer = await this.#request({ id, op: 'start', argv, env, logFile });
    if (answer.op !== 'started') {
      this.#exits.delete(id);
      throw new Error(answer.op === 'refused' ? answer.reason : `unexpected answer "${answer.op}" from the guest`);
    }
    return {
      pid: answer.pid,
      exited,
      kill: async (signal) => {
        if (this.#exits.has(id)) await this.#request({ id: this.#nextId(), op: 'kill', process: id, signal });
      },
    };
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Boots a guest and opens its command channel. The guest powers off when this process ends, however it ends. */
async function openGuest(plan: GuestPlan, reserved: readonly string[]): Promise<LabMachine> {
  const { address, link, subnetwork } = plan;
  const guest = await bootGuest(plan);
  let channel: GuestChannel;
  try {
    channel = new GuestChannel(await connectGuest(guest, address));
    await channel.open(guest.token);
  } catch (error) {
    guest.signalAll('SIGKILL');
    await guest.process.exited;
    throw error;
  }
  let stopping = false;
  const lost = new Promise<string>((resolve) => {
    void Promise.race([channel.closed, guest.process.exited]).then(() => {
      if (!stopping) resolve(guest.failure('the guest is gone').message);
    });
  });
  return {
    kind: 'uml',
    underlay: underlayOf(link, subnetwork),
    reserved,
    guestPid: guest.process.pid,
    lost,
    run: (argv, input = '') => channel.run(argv, input),
    start: (argv, options) => channel.start(argv, options.env ?? {}, options.logFile),
    async stop() {
      stopping = true;
      channel.end();
      const patience = new AbortController();
      await Promise.race([guest.process.exited, sleep(3_000, undefined, { signal: patience.signal }).catch(() => {})]);
      patience.abort();
      // Whatever is left of it: nothing after an orderly end.
      guest.signalAll('SIGKILL');
      await guest.process.exited;
    },
  };
}

/** Numbers of the processors that this process may run on. */
function allowedProcessors(): readonly string[] {
  const [, list = '0'] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => String(first + i));
  });
}

/**
 * Boots guests on one underlay, each with a kernel and a processor of its own, the last processor first. A single one
 * has a tap with this machine's address, which goes away with it; several have taps on a bridge, which goes with the
 * last of them that is stopped.
 */
export async function openUmlMachines(directory: string, link: string, subnetwork: Subnetwork, count: number): Promise<readonly LabMachine[]> {
  const processors = allowedProcessors();
  const bridge = count === 1 ? undefined : link;
  const last = parseIpv4(subnetwork.last);
  const plans = Array.from(
    { length: count },
    (_, i): GuestPlan => ({
      directory: join(directory, String(i)),
      link: bridge === undefined ? link : `${link}g${i}`,
      subnetwork,
      address: formatIpv4(last - i),
      bridge,
      processor: processors.at(-1 - (i % processors.length)) ?? '0',
    }),
  );
  if (bridge !== undefined) await makeBridge(bridge, subnetwork);
  const booted = await Promise.allSettled(
    plans.map((plan) =>
      openGuest(
        plan,
        plans.map(({ address }) => address),
      ),
    ),
  );
  const guests = booted.flatMap((guest) => (guest.status === 'fulfilled' ? [guest.value] : []));
  const failed = booted.find((guest) => guest.status === 'rejected');
  let running = guests.length;
  const machines = guests.map((guest) => ({
    ...guest,
    async stop() {
      await guest.stop();
      running -= 1;
      if (running === 0 && bridge !== undefined) await removeUnderlay(bridge);
    },
  }));
  if (failed === undefined) return machines;
  await Promise.all(machines.map((machine) => machine.stop()));
  if (machines.length === 0 && bridge !== undefined) await removeUnderlay(bridge);
  throw failed.reason;
}
