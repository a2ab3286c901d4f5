import { PortolanError } from '@portolan/model';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Context } from '../application/context.js';
import { refusalOf } from '../application/credentials/principal.js';
import { type Answer, Answers } from './answers.js';
import { GappedBody } from './gaps.js';
import { Reading, readAgain, type Source, statusesOf } from './reading.js';
import { StatusReads } from './status-reads.js';

/** Characters; a longer query is answered for itself. */
const LONGEST_QUERY = 64 * 1024;
/** So often a request waits for others of its query before it goes by itself. */
const WAITS = 3;

/** Header of an answer that was not made for its request: `again`. */
const ANSWER = 'portolan-answer';

/** A query that is being answered. */
interface Making {
  readonly query: string;
  readonly done: Promise<void>;
  end(): void;
}

/**
 * Many ask the same of the same: an answer is given again as long as the revision of each of its clusters and the status of their nodes are
 * what they were when it was made, which is asked of the store for each request; when nodes last reported is filled in anew. So nobody is told
 * what was true only before they asked. Of requests that come together one is executed. What reads anything else than snapshots and status (see `Reading`) is never given again.
 */
export class SharedAnswers {
  readonly #answers = new Answers();
  readonly #statuses: StatusReads;
  readonly #makings = new Map<string, Making>();
  readonly #requests = new WeakMap<FastifyRequest, { readonly query: string; readonly making: Making | undefined; reading: Reading | undefined }>();

  constructor(
    private readonly ctx: Context,
    private readonly isReady: () => boolean,
  ) {
    this.#statuses = new StatusReads(ctx);
  }

  /** Of the query of a request. */
  readingOf(request: FastifyRequest): Reading {
    const noted = this.#requests.get(request);
    const reading = new Reading(this.ctx, this.#statuses, noted !== undefined);
    if (noted !== undefined) noted.reading = reading;
    return reading;
  }

  /** Hooks of the route. */
  hooks(): Pick<RouteOptions, 'preHandler' | 'onSend' | 'onResponse'> {
    return {
      preHandler: async (request, reply) => {
        const query = this.isReady() ? queryOf(request) : undefined;
        return query === undefined ? undefined : this.#answered(query, request, reply);
      },
      onSend: async (request, reply, payload) => {
        const noted = this.#requests.get(request);
        this.#requests.delete(request);
        if (noted === undefined) return payload;
        const { query, reading, making } = noted;
        const body = reading !== undefined && typeof payload === 'string' ? new GappedBody(payload) : undefined;
        if (reading?.isRepeatable === true && reply.statusCode === 200 && body !== undefined) this.#answers.keep(query, { body, sources: reading.sources });
        else this.#answers.forget(query);
        making?.end();
        return body?.filled(statusesOf(reading?.sources ?? [])) ?? payload;
      },
      onResponse: async (request) => this.#requests.get(request)?.making?.end(),
    };
  }

  async #answered(query: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    // What was never given again is not waited for: it may last, or change something.
    for (let waits = 0; waits < WAITS; waits++) {
      const answer = this.#answers.get(query);
      if (answer === undefined) break;
      if (!mayRead(request, answer)) return undefined;
      const sources = await this.#readAgain(answer);
      if (sources !== undefined) {
        return reply.headers({ 'content-type': 'application/json; charset=utf-8', [ANSWER]: 'again' }).send(answer.body.filled(statusesOf(sources)));
      }
      const making = this.#makings.get(query);
      if (making === undefined) {
        this.#requests.set(request, { query, making: this.#begun(query), reading: undefined });
        return undefined;
      }
      await making.done;
    }
    this.#requests.set(request, { query, making: undefined, reading: undefined });
    return undefined;
  }

  #begun(query: string): Making {
    let end = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      end = () => {
        this.#makings.delete(query);
        resolve();
      };
    });
    const making = { query, done, end: () => end() };
    this.#makings.set(query, making);
    return making;
  }

  /** Undefined: the answer no longer holds. */
  async #readAgain(answer: Answer): Promise<readonly Source[] | undefined> {
    try {
      return await readAgain(this.ctx, this.#statuses, answer.sources);
    } catch (error) {
      // The cluster is gone, or the store is: the query itself will say so.
      if (error instanceof PortolanError) return undefined;
      throw error;
    }
  }
}

/** Where not, the query itself is refused, as it always is. */
function mayRead({ principal }: FastifyRequest, { sources }: Answer): boolean {
  return sources.every(({ cluster }) => refusalOf(principal, 'viewer', cluster) === undefined);
}

/** Text, variables and operation; undefined: not a request that can share. */
function queryOf({ method, body }: FastifyRequest): string | undefined {
  if (method !== 'POST' || typeof body !== 'object' || body === null) return undefined;
  const text = JSON.stringify([
    Reflect.get(body, 'query'),
    Reflect.get(body, 'variables'),
    Reflect.get(body, 'operationName'),
    Reflect.get(body, 'extensions'),
  ]);
  return text.length > LONGEST_QUERY ? undefined : text;
}
