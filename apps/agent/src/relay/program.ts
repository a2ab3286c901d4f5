import { ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { holdsLock } from '@portolan/kernel/sockets';
import { relaySocket } from './client.js';
import { type Control, serveControl } from './control.js';
import { startForwarder } from './forwarder.js';
import { handOver, inherit } from './hand-over.js';
import { type Answer, handedOver, type Request } from './messages.js';
import { createRelay } from './relay.js';
import { versionOf } from './version.js';

/** A program without a device ends after so many milliseconds: long enough for an agent to find out that the device is gone, and to ask for it again. */
const LINGER = 60_000;
/** For the thread to stop, in milliseconds. */
const STOPPING = 2_000;
/** Exit code when another program has the run directory. */
const HELD = 4;

function say(message: string, fields: object = {}): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), pid: process.pid, msg: message, ...fields })}\n`);
}

/** Runs the program of the relay; its thread is `file`, too. */
export async function runProgram(file: URL): Promise<void> {
  const { values } = parseArgs({ options: { run: { type: 'string' }, follow: { type: 'boolean', default: false } } });
  const { run, follow } = values;
  if (run === undefined) {
    process.stderr.write('usage: udp-relay --run DIRECTORY\n');
    process.exit(2);
  }
  const runDirectory = resolve(run);
  const version = versionOf(fileURLToPath(file));
  // It must keep no file system in use, and end with no terminal.
  process.chdir('/');
  process.on('SIGHUP', () => undefined);
  mkdirSync(runDirectory, { recursive: true });
  const lock = follow ? handedOver.lock : openSync(join(runDirectory, 'udp-relay.lock'), 'a', 0o600);
  if (!holdsLock(lock)) {
    process.stderr.write(`another relay works with ${runDirectory} (see its udp-relay.lock)\n`);
    process.exit(HELD);
  }

  let control: Control | undefined;
  let linger: NodeJS.Timeout | undefined;
  const end = (why: string, code = 0): void => {
    say('the relay ends', { why });
    control?.close();
    process.exit(code);
  };
  const forwarder = startForwarder(file, {
    lost: (what, why) => {
      say(`the ${what} is lost`, { why });
      void relay.lost(what).then(watchDevice);
    },
    died: (error) => end(String(error.stack), 1),
  });
  const relay = createRelay(forwarder);
  /** Ends the program after a while without a device. */
  const watchDevice = (): void => {
    clearTimeout(linger);
    linger = relay.device === undefined ? setTimeout(() => void stop('it has no device'), LINGER) : undefined;
  };
  const stop = async (why: string): Promise<void> => {
    // It ends even if its thread does not.
    setTimeout(() => end(why, 1), STOPPING);
    await relay.close();
    await forwarder.stop();
    end(why);
  };

  const change = async (text: string): Promise<Answer> => {
    const had = relay.device;
    try {
      await relay.change(text);
    } finally {
      watchDevice();
    }
    // Who asked is answered before.
    if (had !== undefined && relay.device === undefined) setImmediate(() => void stop('its device was deleted'));
    return { done: true };
  };
  const replace = async (program: string): Promise<Answer> => {
    const { device, peers } = relay;
    await handOver(program, runDirectory, { ...(device === undefined ? {} : { device }), peers, lock });
    // What it has read is sent before it ends.
    await forwarder.stop();
    setImmediate(() => end('another program goes on'));
    return { done: true };
  };
  const respond = async (request: Request): Promise<Answer> => {
    if (request.kind === 'hello') return { hello: { version, pid: process.pid } };
    if (request.kind === 'change') return change(request.text);
    if (request.kind === 'observe') return { state: relay.state() };
    if (request.kind === 'counters') return { counters: relay.counters() };
    if (request.kind === 'replace') return replace(request.program);
    setImmediate(() => void stop('it was told to'));
    return { done: true };
  };
  const serve = async (): Promise<void> => {
    // Who finds that nobody answers finds out whom to end.
    ftruncateSync(lock);
    writeSync(lock, `${process.pid}\n`);
    control = await serveControl(relaySocket(runDirectory), respond, () => void stop('its run directory was removed'));
    watchDevice();
    say('the relay serves', { version });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal));

  if (!follow) return serve();
  let begin = (): Promise<void> => Promise.resolve();
  inherit(
    async ({ device, peers }) => {
      await relay.addPeers(peers);
      if (device !== undefined) begin = () => relay.resume(device, handedOver.tun, handedOver.socket);
    },
    async () => {
      await begin();
      await serve();
      process.channel?.unref();
    },
  );
}
