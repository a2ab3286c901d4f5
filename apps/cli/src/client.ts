import type { Problem } from '@portolan/model';
import { type Exchanged, exchange, isDistrust, reasonOf } from './exchange.js';
import { CommandFailure, exitCodes } from './failure.js';
import type { Target } from './target.js';

/** How long an answer that waits for nothing may take, in milliseconds: a manifest of 10,000 services is one request. */
const ANSWER_TIMEOUT_MS = 120_000;

/** Items of one page of a list, the most that the API gives. */
const LARGEST_PAGE = 1000;

const shellFixes: Readonly<Record<string, string>> = {
  unauthorized: 'Pass the token of this control plane with --token or PORTOLAN_TOKEN.',
  forbidden: 'Use a token with a higher role, or one for this cluster: --token or PORTOLAN_TOKEN.',
  'stale-plan': 'Look at what moved (portolan history, portolan diff), and make the plan again: portolan plan.',
  'plan-blocked': 'Correct what is named, or override it, which is recorded: --override CODE:NAME.',
  'rollout-in-progress': 'Wait for the rollout to end, or end it: portolan changeset list, then resume or rollback.',
  'wait-timeout': 'The change is committed. See which node is behind with: portolan status',
  'not-drained': 'The drain goes on. See how far it is with: portolan describe endpoint NAME',
};

/** The change is committed, but what was waited for has not come. */
const timeoutCodes: readonly string[] = ['wait-timeout', 'not-drained'];

export interface Answer<T> {
  readonly body: T;
  /** Revision that a mutation made, from the header portolan-revision. */
  readonly revision: number | undefined;
}

export interface Request {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Milliseconds that the request itself asks the control plane to wait. */
  readonly waits?: number;
}

/** The published REST API over HTTP. Throws CommandFailure: unreachable, refused or timed out, with the problems that were answered. */
export class Client {
  constructor(
    private readonly target: Target,
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  async send<T>(path: string, request: Request = {}): Promise<Answer<T>> {
    const url = this.urlOf(path, request.query ?? {});
    const headers: Record<string, string> = { accept: 'application/json' };
    if (this.target.token !== undefined) headers.authorization = `Bearer ${this.target.token}`;
    if (request.body !== undefined) headers['content-type'] = 'application/json';
    let answer: Exchanged;
    try {
      answer = await exchange(url, {
        method: request.method ?? 'GET',
        headers,
        body: request.body === undefined ? undefined : JSON.stringify(request.body),
        authorities: this.target.authorities,
        signal: AbortSignal.timeout(this.answerTimeoutMs + (request.waits ?? 0)),
      });
    } catch (error) {
      throw isDistrust(error) ? this.distrusted(error) : this.unreachable(reasonOf(error), error);
    }
    const body = parseJson(answer.text);
    if (answer.status < 200 || answer.status > 299) throw this.refused(answer, body);
    if (body === undefined && answer.text !== '') throw this.unreachable('what answers there is not a Portolan control plane');
    const revision = answer.header('portolan-revision');
    return { body: body as T, revision: revision === undefined ? undefined : Number(revision) };
  }

  async get<T>(path: string, query: NonNullable<Request['query']> = {}): Promise<T> {
    return (await this.send<T>(path, { query })).body;
  }

  /** Every item of a list, page after page, at most `most`. */
  async list<T>(path: string, query: NonNullable<Request['query']> = {}, most = Number.POSITIVE_INFINITY): Promise<readonly T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.get<{ items: readonly T[]; nextCursor?: string | null }>(path, {
        limit: Math.min(LARGEST_PAGE, most - items.length),
        ...query,
        cursor,
      });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && items.length < most);
    return items.slice(0, most);
  }

  private urlOf(path: string, query: NonNullable<Request['query']>): URL {
    let url: URL;
    try {
      url = new URL(`${this.target.url}${path}`);
    } catch (error) {
      throw this.badUrl(error);
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw this.badUrl();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    return url;
  }

  private badUrl(cause?: unknown): CommandFailure {
    return new CommandFailure(
      exitCodes.usage,
      `"${this.target.url}" is not a URL of a control plane`,
      'Write it as https://HOST:PORT or http://HOST:PORT.',
      [],
      {
        cause,
      },
    );
  }

  private unreachable(reason: string, cause?: unknown): CommandFailure {
    const fix = {
      option: 'Check --url, and that the control plane runs there.',
      environment: 'Check PORTOLAN_URL, and that the control plane runs there.',
      lab: 'The URL is that of the lab in .portolan/lab.json: start it again with "npm run lab", or name another with --url.',
      default: 'Start the lab with "npm run lab", or name your control plane with --url or PORTOLAN_URL.',
    }[this.target.source];
    return new CommandFailure(exitCodes.unreachable, `cannot reach the control plane at ${this.target.url}: ${reason}`, fix, [], { cause });
  }

  private distrusted(error: unknown): CommandFailure {
    const message = `the certificate of ${this.target.url} is not trusted: ${reasonOf(error)}`;
    const fix = 'Name the certificate of its authority with --ca FILE or PORTOLAN_CA.';
    return new CommandFailure(exitCodes.unreachable, message, fix, [], { cause: error });
  }

  private refused(response: Exchanged, body: unknown): CommandFailure {
    const answer = typeof body === 'object' && body !== null ? (body as Partial<ProblemDocument>) : {};
    if (answer.code === undefined || answer.detail === undefined) {
      return this.unreachable(`it answered ${response.status} ${response.statusText} without a reason; it may be another server`);
    }
    const { code, detail, problems = [] } = answer;
    // Where the API speaks of headers and resources, a person at a shell needs the option or the command.
    const fix = shellFixes[code] ?? answer.fix ?? '';
    const placed = problems.map((problem) => ({ ...problem, fix: shellFixes[problem.code] ?? problem.fix }));
    return new CommandFailure(timeoutCodes.includes(code) ? exitCodes.waitTimeout : exitCodes.refused, detail, fix, placed);
  }
}

/** Body of application/problem+json. */
interface ProblemDocument {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly fix: string;
  readonly problems: readonly Problem[];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
