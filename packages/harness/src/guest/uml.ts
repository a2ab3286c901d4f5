import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Executed, LabMachine, MachineProcess } from '../hosts/machine.js';
import { type Subnetwork, underlayOf } from '../hosts/underlay.js';
import { type BootedGuest, bootGuest } from './boot.js';
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
export async function openUmlMachine(directory: string, link: string, subnetwork: Subnetwork): Promise<LabMachine> {
  const address = subnetwork.last;
  const guest = await bootGuest({ directory, link, subnetwork, address });
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
    reserved: [address],
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
