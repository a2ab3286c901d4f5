import { createConnection } from 'node:net';
import { join } from 'node:path';
import { PortolanError, portolanError } from '@portolan/model';
import type { Answer, Hello, Request } from './messages.js';

/** A change of thousands of peers takes a hundredth of it, in milliseconds. */
const PATIENCE = 10_000;
/** A program that hands over to another leaves a question without an answer; the next one has it. */
const ATTEMPTS = 3;

/** The socket that the relay of a run directory is asked at. */
export function relaySocket(runDirectory: string): string {
  return join(runDirectory, 'udp-relay.sock');
}

type Reply = { readonly text: string } | 'nobody' | 'cut';

function exchange(path: string, request: Request, milliseconds: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(milliseconds, () => {
      socket.destroy();
      reject(portolanError('apply-failed', '', `the udp relay does not answer at ${path}`, { fix: 'End its process (see udp-relay.lock beside the socket).' }));
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', (error) => resolve('code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') ? 'nobody' : 'cut'));
    socket.on('close', () => resolve(text.endsWith('\n') ? { text } : 'cut'));
  });
}

/**
 * What the relay of a run directory answers; undefined when none runs. Fails with what the relay says, or with `apply-failed` when it does not answer.
 */
export async function ask(runDirectory: string, request: Request, milliseconds = PATIENCE): Promise<Answer | undefined> {
  const path = relaySocket(runDirectory);
  for (let attempt = 1; ; attempt++) {
    const reply = await exchange(path, request, milliseconds);
    if (reply === 'nobody') return undefined;
    if (reply === 'cut') {
      if (attempt < ATTEMPTS) continue;
      throw portolanError('apply-failed', '', `the udp relay at ${path} ends every conversation`);
    }
    const answer = JSON.parse(reply.text) as Answer;
    if ('problem' in answer) throw new PortolanError(answer.problem);
    return answer;
  }
}

/** Who the relay is; undefined when none runs. */
export async function greet(runDirectory: string, milliseconds?: number): Promise<Hello | undefined> {
  const answer = await ask(runDirectory, { kind: 'hello' }, milliseconds);
  return answer !== undefined && 'hello' in answer ? answer.hello : undefined;
}
