import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { socketIn } from '@portolan/kernel';
import type { Ipv4 } from '@portolan/model';
import type { Space, VipProbe } from '@portolan/node-state';
import type { Clock } from '../clock.js';

/**
 * A connection under way, from the namespace at `path`, or from that of this process without one. Throws when no socket can be had
 * there: that says nothing about who was to be asked.
 */
export type Dial = (path: string | undefined, address: Ipv4, port: number) => Socket;

export const dial: Dial = (path, address, port) => socketOf(path).connect({ host: address, port });

function socketOf(path: string | undefined): Socket {
  if (path === undefined) return new Socket();
  const fd = socketIn(path, { kind: 'tcp' });
  try {
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A timer that goes off later than by this part of its time tells of this program, which had no processor. */
const LATE = 1 / 4;

/** Errors of this side alone: nothing was sent. */
const ownErrors: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** refused: the host itself answered, with a reset. not-tried: this side could not even ask. */
export type Answer = 'connected' | 'refused' | 'unreachable' | 'timeout' | 'not-tried';

type Silence = Exclude<Answer, 'connected'>;

function answerOfError(error: Error): Silence {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return 'refused';
  return ownErrors.has(code) ? 'not-tried' : 'unreachable';
}

export interface Conversation<T> {
  readonly open: () => Socket;
  readonly milliseconds: number;
  readonly clock: Clock;
  /** Called when the connection stands. What it throws or settles with ends the conversation. */
  readonly talk: (socket: Socket, settle: (value: T) => void) => void;
}

/**
 * What came of one connection, which is gone when this resolves. It ends with a reset: a thousand closed in order every second would
 * fill a namespace with connections that wait, and be counted among those of an endpoint that is drained.
 */
export function conversation<T>({ open, milliseconds, clock, talk }: Conversation<T>): Promise<T | Silence> {
  return new Promise((resolve) => {
    let socket: Socket;
    try {
      socket = open();
    } catch {
      resolve('not-tried');
      return;
    }
    const deadline = clock.now() + milliseconds;
    const cancel = clock.after(milliseconds, () => {
      // Where this program itself came late, it cannot say that the answer did. What has arrived meanwhile is heard first.
      const isLate = clock.now() - deadline > milliseconds * LATE;
      setImmediate(() => settle(isLate ? 'not-tried' : 'timeout'));
    });
    let isSettled = false;
    function settle(value: T | Silence): void {
      if (isSettled) return;
      isSettled = true;
      cancel();
      if (socket.connecting) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
      resolve(value);
    }
    socket.on('error', (error) => settle(answerOfError(error)));
    socket.once('close', () => settle('refused'));
    socket.once('connect', () => {
      try {
        talk(socket, settle);
      } catch {
        settle('refused');
      }
    });
  });
}

/** Dials a VIP once, and says nothing to who answers. `pathOf` gives the namespace to dial from, and may throw. Never rejects. */
export function vipAnswer(
  { space, address, port }: VipProbe,
  pathOf: (space: Space) => string | undefined,
  milliseconds: number,
  dial: Dial,
  clock: Clock,
): Promise<Answer> {
  return conversation<Answer>({ open: () => dial(pathOf(space), address, port), milliseconds, clock, talk: (_socket, settle) => settle('connected') });
}
