import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, LabClient } from '../lab-client.js';

export interface Stream {
  /** Ends it, and compares what was answered with what is in the history. */
  stop(): Promise<StreamFigures>;
}

export interface StreamFigures {
  /** Changes that were answered as made. */
  readonly made: number;
  /** Asked for, but the answer was lost: made or not. */
  readonly unknown: number;
  /** Refused because a server was away: not made. */
  readonly refused: number;
  /** Made by the answer but not in the history, and in the history more than once, or though they were refused. Must be empty. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
}

interface Revision {
  readonly revision: number;
  readonly summary: string;
}

const LABEL = 'change';

/**
 * Somebody who changes the weight of an endpoint again and again, each time with a label of its own, so that each change is known again in every
 * revision of the history.
 */
export function changeStream(asked: LabClient['asked'], endpoint: string, pause: () => number): Stream {
  const outcomes = new Map<string, 'made' | 'unknown' | 'refused'>();
  let isStopped = false;
  let firstRevision = 0;

  const call = (path: string, method?: string, body?: unknown): Promise<Answer> => asked(path, method, body, AbortSignal.timeout(15_000));

  async function change(number: number): Promise<void> {
    const name = `c${number}`;
    try {
      const { status, body } = await call(`/endpoints/${endpoint}`, 'PATCH', { weight: 1 + (number % 9), labels: { [LABEL]: name } });
      const isUncertain = JSON.stringify(body).includes('not known');
      outcomes.set(name, status === 200 ? 'made' : isUncertain ? 'unknown' : 'refused');
      if (status !== 200 && status !== 503) throw new Error(`PATCH answered ${status} ${JSON.stringify(body)}`);
    } catch (error) {
      if (!(error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError') || error instanceof SyntaxError)) throw error;
      // The connection broke, or nobody listened.
      outcomes.set(name, 'unknown');
    }
  }

  async function run(): Promise<void> {
    firstRevision = Number(((await call('/status')).body as { intentRevision?: number }).intentRevision ?? 0);
    for (let number = 1; !isStopped; number += 1) {
      await change(number);
      await sleep(pause());
    }
  }
  const running = run();

  /** Labels by the revision that brought them. */
  async function history(): Promise<readonly string[]> {
    const revisions: Revision[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await call(`/revisions?limit=500${cursor === null ? '' : `&cursor=${cursor}`}`);
      const page = body as unknown as { items: Revision[]; nextCursor: string | null };
      revisions.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null && (revisions.at(-1)?.revision ?? 0) > firstRevision);
    const own = revisions.filter(({ revision, summary }) => revision > firstRevision && summary === `patch endpoint ${endpoint}`);
    const labels: string[] = [];
    for (const { revision } of own.reverse()) {
      const { body } = await call(`/diff?from=${revision - 1}&to=${revision}`);
      const { objects } = body as unknown as { objects: { kind: string; name: string; fields: { path: string; after: unknown }[] }[] };
      const fields = objects.find(({ kind, name }) => kind === 'endpoint' && name === endpoint)?.fields ?? [];
      const label =
        fields.find(({ path }) => path === `/labels/${LABEL}`)?.after ??
        (fields.find(({ path }) => path === '/labels')?.after as Record<string, unknown>)?.[LABEL];
      labels.push(String(label));
    }
    return labels;
  }

  return {
    async stop() {
      isStopped = true;
      await running;
      const seen = await history();
      const of = (outcome: string): string[] => [...outcomes].flatMap(([name, each]) => (each === outcome ? [name] : []));
      return {
        made: of('made').length,
        unknown: of('unknown').length,
        refused: of('refused').length,
        lost: of('made').filter((name) => !seen.includes(name)),
        doubled: seen.filter((name, i) => seen.indexOf(name) !== i || outcomes.get(name) === 'refused' || !outcomes.has(name)),
      };
    },
  };
}
