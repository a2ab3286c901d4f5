import { type ChildProcess, spawn } from 'node:child_process';
import { portolanError } from '@portolan/model';
import type { UdpRelayBody, UdpRelayPeerBody } from '@portolan/node-state';
import type { FromHeir, ToHeir } from './messages.js';

/** For a program to start and to get ready, in milliseconds. */
const PATIENCE = 10_000;

export interface Inheritance {
  readonly device?: { readonly body: UdpRelayBody; readonly tun: number; readonly socket: number };
  readonly peers: readonly UdpRelayPeerBody[];
  readonly lock: number;
}

/**
 * Starts the program that follows this one, with copies of the descriptors, and waits until it forwards. Both forward for a moment, each what it reads, so no packet
 * waits; a few may pass each other. Fails with `apply-failed`, and then this program goes on as it did.
 */
export async function handOver(program: string, runDirectory: string, { device, peers, lock }: Inheritance): Promise<void> {
  const heir = spawn(process.execPath, [...process.execArgv, program, '--run', runDirectory, '--follow'], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', device?.tun ?? 'ignore', device?.socket ?? 'ignore', lock],
  });
  try {
    await said(heir, 'ready', () => heir.send({ kind: 'state', ...(device === undefined ? {} : { device: device.body }), peers } satisfies ToHeir));
    await said(heir, 'taken', () => heir.send({ kind: 'go' } satisfies ToHeir));
  } catch (error) {
    heir.kill('SIGKILL');
    throw error;
  }
}

function said(heir: ChildProcess, kind: FromHeir['kind'], begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => fail(`could not be started: ${error.message}`);
    const onExit = (code: number | null, signal: string | null): void => fail(`ended with ${code ?? signal}`);
    const onMessage = (message: FromHeir): void => {
      if (message.kind === kind) settle(resolve);
    };
    const timer = setTimeout(() => fail(`was not ${kind} in ${PATIENCE} ms`), PATIENCE);
    function settle(end: () => void): void {
      clearTimeout(timer);
      heir.off('error', onError).off('exit', onExit).off('message', onMessage);
      end();
    }
    function fail(why: string): void {
      settle(() => reject(portolanError('apply-failed', '', `the relay that was to follow ${why}`)));
    }
    heir.once('error', onError).once('exit', onExit).on('message', onMessage);
    begin();
  });
}

/** In the program that follows: waits for what it is handed. `prepare` gets everything ready, `begin` forwards. */
export function inherit(prepare: (state: Extract<ToHeir, { kind: 'state' }>) => Promise<void>, begin: () => Promise<void>): void {
  let hasBegun = false;
  // Without the program before, nobody says when to begin: what it held goes with both, and is seen to be gone.
  process.once('disconnect', () => {
    if (!hasBegun) process.exit(1);
  });
  const tell = (message: FromHeir): void => {
    process.send?.(message);
  };
  process.on('message', (message: ToHeir) => {
    void (async () => {
      if (message.kind === 'state') {
        await prepare(message);
        tell({ kind: 'ready' });
      } else {
        await begin();
        hasBegun = true;
        tell({ kind: 'taken' });
      }
    })().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
  });
}
