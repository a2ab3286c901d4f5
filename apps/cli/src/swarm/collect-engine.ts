import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { reasonOf } from '../exchange.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';

/** So long an answer may take, in milliseconds: the daemon of a busy node lists a thousand tasks. */
const ANSWER_MS = 60_000;

/** The Engine API of Docker on this host, by its unix socket. Paths have no version: the daemon answers with its newest. */
export class Engine {
  readonly #socketPath: string;

  /** Throws a usage failure for anything but `unix://PATH`: the namespaces to look into are those of this host. */
  constructor(readonly host: string) {
    const [, path] = /^unix:\/\/(\/.+)$/.exec(host) ?? [];
    if (path === undefined) throw usageFailure(`"${host}" is no socket of this host`, 'Write unix://PATH, such as unix:///var/run/docker.sock.');
    this.#socketPath = path;
  }

  /** The answer; undefined when there is no such object. Throws a command failure when Docker does not answer, or refuses. */
  async get(path: string): Promise<unknown> {
    const { status, body } = await this.#exchange(path);
    if (status === 404) return undefined;
    if (status !== 200)
      throw new CommandFailure(exitCodes.refused, `Docker refuses GET ${path}: ${messageOf(body)}`, 'Look at the log of the daemon: journalctl -u docker.');
    try {
      return JSON.parse(body) as unknown;
    } catch (error) {
      throw new CommandFailure(
        exitCodes.refused,
        `what answers at ${this.host} is no Docker: GET ${path} is no JSON`,
        'Name the socket of Docker with --host.',
        [],
        { cause: error },
      );
    }
  }

  /** Throws like `get`, and when the answer is no list. */
  async list(path: string): Promise<readonly unknown[]> {
    const answer = await this.get(path);
    if (Array.isArray(answer)) return answer as readonly unknown[];
    throw new CommandFailure(exitCodes.refused, `Docker has no list at GET ${path}`, 'Name the socket of Docker with --host.');
  }

  async #exchange(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const sent = request({ socketPath: this.#socketPath, path, headers: { host: 'docker' }, signal: AbortSignal.timeout(ANSWER_MS) });
    sent.end();
    try {
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      return { status: response.statusCode ?? 0, body: await text(response) };
    } catch (error) {
      const fix = 'Run it as root on a host where Docker runs, or name its socket with --host.';
      throw new CommandFailure(exitCodes.refused, `Docker does not answer at ${this.host}: ${reasonOf(error)}`, fix, [], { cause: error });
    }
  }
}

function messageOf(body: string): string {
  try {
    const answer = JSON.parse(body) as unknown;
    if (typeof answer === 'object' && answer !== null && 'message' in answer && typeof answer.message === 'string') return answer.message;
  } catch {
    // The body itself says it, then.
  }
  return body.trim();
}

/** A text field of an answer; '' where there is none. */
export function textField(value: unknown, ...path: readonly string[]): string {
  const found = fieldOf(value, path);
  return typeof found === 'string' ? found : '';
}

export function flagField(value: unknown, ...path: readonly string[]): boolean {
  return fieldOf(value, path) === true;
}

function fieldOf(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) found = typeof found === 'object' && found !== null ? (found as Readonly<Record<string, unknown>>)[name] : undefined;
  return found;
}
