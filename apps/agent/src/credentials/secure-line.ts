import { Agent, request } from 'node:https';
import { portolanError } from '@portolan/model';

/** The part of `fetch` that is needed for talking to a control plane. */
export type Exchange = (
  url: string,
  init: { readonly method: 'GET' | 'POST'; readonly headers: Readonly<Record<string, string>>; readonly body?: string; readonly signal: AbortSignal },
) => Promise<Response>;

/** PEM. */
export interface Trust {
  /** The only authority that the server is verified by. */
  readonly authority: string;
  /** Who we are; nobody where they are left out. */
  readonly certificate?: string;
  readonly privateKey?: string;
}

export interface SecureLine {
  readonly exchange: Exchange;
  /** Later exchanges use other connections, made with this. Those that run end as they began. */
  use(trust: Trust): void;
  close(): void;
}

/** A server that takes no certificate of ours ends the connection with such an alert of TLS. */
const REFUSED = /ALERT_(BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|NO_CERTIFICATE)/;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Most bytes of an answer: the state of a large node has tens of them. */
const MOST_BYTES = 512 * 1024 * 1024;

function once(
  agent: Agent,
  url: string,
  { method, headers, body, signal }: Parameters<Exchange>[1],
): { readonly answer: Promise<Response>; isReused(): boolean } {
  let isReused = (): boolean => false;
  const answer = new Promise<Response>((resolve, reject) => {
    const sent = request(url, { agent, method, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }, signal });
    isReused = () => sent.reusedSocket;
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) response.destroy(new Error(`the answer has more than ${MOST_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        if (status < 200 || status > 599) return reject(new Error(`the server answered with status ${status}`));
        const fields = Object.entries(response.headersDistinct).flatMap(([name, values = []]) => values.map((value): [string, string] => [name, value]));
        resolve(new Response([204, 205, 304].includes(status) ? null : Buffer.concat(chunks), { status, headers: fields }));
      });
    });
    sent.end(body);
  });
  return { answer, isReused: () => isReused() };
}

/** Talks TLS 1.3 over connections that are kept. Fails with `unauthorized` where the server refuses the certificate itself. */
export function secureLine(trust: Trust): SecureLine {
  interface Connections {
    readonly agent: Agent;
    running: number;
    isOver: boolean;
  }

  function connectionsOf({ authority, certificate, privateKey }: Trust): Connections {
    const agent = new Agent({
      ca: authority,
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.3',
      keepAlive: true,
      // A resumed session would bring the certificate of before along.
      maxCachedSessions: 0,
    });
    return { agent, running: 0, isOver: false };
  }

  let current = connectionsOf(trust);

  function end(connections: Connections): void {
    connections.isOver = true;
    if (connections.running === 0) connections.agent.destroy();
  }

  return {
    exchange: async (url, init) => {
      const connections = current;
      connections.running += 1;
      try {
        const first = once(connections.agent, url, init);
        return await first.answer.catch((error: unknown) => {
          // The server closed a connection that nothing was going on in, at the moment that we sent: it has seen none of it.
          if (first.isReused() && codeOf(error) === 'ECONNRESET') return once(connections.agent, url, init).answer;
          throw error;
        });
      } catch (cause) {
        if (REFUSED.test(codeOf(cause)))
          throw portolanError('unauthorized', '', `the server refuses the certificate of this node: ${codeOf(cause)}`, { cause });
        throw cause;
      } finally {
        connections.running -= 1;
        if (connections.isOver) end(connections);
      }
    },
    use: (next) => {
      end(current);
      current = connectionsOf(next);
    },
    close: () => end(current),
  };
}
