import type { GappedBody } from './gaps.js';
import type { Source } from './reading.js';

/** An answer, and what it was made of. */
export interface Answer {
  readonly body: GappedBody;
  readonly sources: readonly Source[];
}

/** Bytes that all kept answers may have together. */
const ROOM = 64 * 1024 * 1024;
const MOST_QUERIES = 1024;

/** Answers that may be given again, by their query. What was not asked for longest goes first. */
export class Answers {
  readonly #answers = new Map<string, Answer>();
  #bytes = 0;

  constructor(
    private readonly room = ROOM,
    private readonly most = MOST_QUERIES,
  ) {}

  get(query: string): Answer | undefined {
    const answer = this.#answers.get(query);
    if (answer === undefined) return undefined;
    this.#answers.delete(query);
    this.#answers.set(query, answer);
    return answer;
  }

  keep(query: string, answer: Answer): void {
    this.forget(query);
    const size = sizeOf(query, answer);
    if (size > this.room) return;
    this.#answers.set(query, answer);
    this.#bytes += size;
    for (const oldest of this.#answers.keys()) {
      if (this.#bytes <= this.room && this.#answers.size <= this.most) return;
      this.forget(oldest);
    }
  }

  forget(query: string): void {
    const answer = this.#answers.get(query);
    if (answer === undefined) return;
    this.#answers.delete(query);
    this.#bytes -= sizeOf(query, answer);
  }
}

function sizeOf(query: string, { body }: Answer): number {
  // Two bytes a character at most.
  return query.length * 2 + body.size;
}
