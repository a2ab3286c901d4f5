import type { Socket } from 'node:net';
import type { Executed } from '../hosts/machine.js';

/** TCP port of the command server in the guest. */
export const CHANNEL_PORT = 7;

/** Lines of JSON on one TCP connection. The first line is the token; the guest powers off when the connection ends. */
export type GuestRequest =
  | { readonly id: number; readonly op: 'run'; readonly argv: readonly [string, ...string[]]; readonly input: string }
  | {
      readonly id: number;
      readonly op: 'start';
      readonly argv: readonly [string, ...string[]];
      readonly env: Readonly<Record<string, string>>;
      readonly logFile: string;
    }
  | { readonly id: number; readonly op: 'kill'; readonly process: number; readonly signal: NodeJS.Signals };

export type GuestAnswer =
  | { readonly op: 'ready'; readonly release: string }
  | { readonly op: 'ran'; readonly id: number; readonly executed: Executed }
  | { readonly op: 'started'; readonly id: number; readonly pid: number }
  | { readonly op: 'killed'; readonly id: number }
  /** Only as the answer to `start`: the program cannot be started. */
  | { readonly op: 'refused'; readonly id: number; readonly reason: string }
  /** Not an answer: the process that request `id` started is gone. */
  | { readonly op: 'exited'; readonly id: number; readonly exitCode: number | null; readonly signal: string | null };

/** Calls `take` with each whole line. */
export function readLines(socket: Socket, take: (line: string) => void): void {
  let rest: string[] = [];
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const parts = chunk.split('\n');
    for (const [index, part] of parts.entries()) {
      rest.push(part);
      if (index === parts.length - 1) break;
      const line = rest.join('');
      rest = [];
      if (line !== '') take(line);
    }
  });
}
