import { once } from 'node:events';
import { chmodSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PortolanError, problem } from '@portolan/model';
import type { Answer, Request } from './messages.js';

/** How often it is looked whether the socket is still there, in milliseconds. */
const LOOK = 2_000;
/** Longest request, in characters: a hundred thousand peers. */
const LONGEST = 64 * 1024 * 1024;

export interface Control {
  /** Takes no more questions. The file goes unless it is another program's by now. */
  close(): void;
}

/**
 * Answers questions at a unix socket, one after the other; only its owner may ask. A socket file that was removed is made again; when its folder was removed,
 * everything of Portolan was, and `abandoned` is called. A program that begins takes the place of the one before in one step, so that one of them always
 * answers, and does so when this resolves.
 */
export async function serveControl(path: string, respond: (request: Request) => Promise<Answer>, abandoned: () => void): Promise<Control> {
  let tail: Promise<void> = Promise.resolve();
  const answerOf = async (line: string): Promise<Answer> => {
    try {
      return await respond(JSON.parse(line) as Request);
    } catch (error) {
      return { problem: error instanceof PortolanError ? error.problems[0] : problem('internal', '', error instanceof Error ? error.message : String(error)) };
    }
  };
  const onConnection = (connection: Socket): void => {
    const pieces: string[] = [];
    let length = 0;
    let isAsked = false;
    connection.setEncoding('utf8');
    connection.on('error', () => connection.destroy());
    connection.on('data', (piece: string) => {
      if (isAsked) return;
      pieces.push(piece);
      length += piece.length;
      if (length > LONGEST) connection.destroy();
      if (!piece.endsWith('\n')) return;
      isAsked = true;
      tail = tail.then(async () => {
        const answer = await answerOf(pieces.join(''));
        if (!connection.destroyed) connection.end(`${JSON.stringify(answer)}\n`);
      });
    });
  };

  // Node removes the file that a server was bound to when the server is closed: it is bound to a name that nobody uses afterwards.
  let own = 0;
  const listen = async (): Promise<Server> => {
    const bound = `${path}.${process.pid}`;
    rmSync(bound, { force: true });
    const server = createServer(onConnection);
    server.listen(bound);
    await once(server, 'listening');
    server.on('error', () => undefined);
    chmodSync(bound, 0o600);
    own = statSync(bound).ino;
    renameSync(bound, path);
    return server;
  };
  let server = await listen();
  const look = setInterval(() => {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
    if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined) return abandoned();
    server.close();
    // Where it cannot be made now, it is tried again.
    listen().then(
      (made) => (server = made),
      () => undefined,
    );
  }, LOOK);

  return {
    close: () => {
      clearInterval(look);
      if (statSync(path, { throwIfNoEntry: false })?.ino === own) rmSync(path, { force: true });
      server.close();
    },
  };
}
