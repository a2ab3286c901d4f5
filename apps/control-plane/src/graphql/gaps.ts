import { randomUUID } from 'node:crypto';
import type { Id } from '@portolan/model';
import type { ClusterStatus } from '../application/status.js';

/** Nobody else can have written it: it leaves this process in no answer. */
const MARK = randomUUID();
const gap = new RegExp(`"${MARK} ([^"]*)"`);

/** Stands in an answer for when a node last reported, as that moves with each report, and mostly nothing else does. */
export function gapForNode(id: Id): string {
  return `${MARK} ${id}`;
}

/** JSON in which gaps are to be filled in. */
export class GappedBody {
  /** What is between the gaps. */
  readonly #parts: readonly Buffer[];
  /** The node of each gap. */
  readonly #nodes: readonly Id[];

  constructor(text: string) {
    const pieces = text.split(gap);
    this.#parts = pieces.filter((_piece, i) => i % 2 === 0).map((part) => Buffer.from(part));
    this.#nodes = pieces.filter((_piece, i) => i % 2 === 1);
  }

  /** Bytes, without what goes into the gaps. */
  get size(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** `statuses`: of all nodes that there are gaps for. */
  filled(statuses: readonly ClusterStatus[]): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.#parts;
    if (others.length === 0) return first;
    const times = new Map(statuses.flatMap(({ nodes }) => nodes.map(({ id, lastReportAt }): [Id, string | null] => [id, lastReportAt])));
    return Buffer.concat([first, ...others.flatMap((part, i) => [Buffer.from(JSON.stringify(times.get(this.#nodes[i] ?? '') ?? null)), part])]);
  }
}
