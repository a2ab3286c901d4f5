import type { Retired } from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Holder, RangeBook } from '../src/book.js';
import { Journal } from '../src/journal.js';
import { PortBook } from '../src/port-book.js';

const numbering = { keyOf: (value: number) => value, valueOf: (key: number) => key };
const holder = (i: number): Holder => ({ kind: 'service', id: `s${i}`, name: `s${i}` });
const retired = (value: number): Retired => ({
  pool: 'mark',
  networkId: null,
  value: String(value),
  revision: 1,
  holder: { kind: 'service', name: 's', serviceId: null },
});

type Move =
  | { readonly claim: number; readonly by: number }
  | { readonly release: number; readonly by: number }
  | { readonly retire: number }
  | { readonly revive: number }
  | 'take'
  | 'begin'
  | 'keep'
  | 'undo';
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ claim: fc.nat(12), by: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ release: fc.nat(12), by: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ retire: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ revive: fc.nat(12) }) },
  { weight: 4, arbitrary: fc.constant('take' as const) },
  fc.constantFrom('begin' as const, 'keep' as const, 'undo' as const),
);

interface Plain {
  readonly held: ReadonlyMap<number, string>;
  readonly retired: ReadonlySet<number>;
}

/** The same book without cursors and journal. */
class PlainBook {
  held = new Map<number, string>();
  retired = new Set<number>();
  #saved: Plain | null = null;

  begin(): void {
    this.#saved = { held: new Map(this.held), retired: new Set(this.retired) };
  }

  end(undo: boolean): void {
    if (undo && this.#saved !== null) {
      this.held = new Map(this.#saved.held);
      this.retired = new Set(this.#saved.retired);
    }
    this.#saved = null;
  }

  firstFree(first: number, last: number): number | undefined {
    for (let value = first; value <= last; value++) if (!this.held.has(value) && !this.retired.has(value)) return value;
    return undefined;
  }
}

describe('RangeBook', () => {
  it('always gives the lowest free value of either of two ranges, whatever was claimed, released, retired and undone', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(move, fc.constantFrom(0, 3)), { maxLength: 60 }), (moves) => {
        const journal = new Journal();
        const book = new RangeBook<number>(journal, numbering, { pool: 'mark', networkId: null });
        const plain = new PlainBook();
        for (const [step, first] of moves) {
          if (step === 'begin') {
            journal.begin();
            plain.begin();
          } else if (step === 'keep') {
            journal.keep();
            plain.end(false);
          } else if (step === 'undo') {
            journal.rollBack();
            plain.end(true);
          } else if (step === 'take') {
            const free = book.firstFree(first, 10);
            expect(free).toBe(plain.firstFree(first, 10));
            if (free === undefined) continue;
            book.claim(free, holder(9));
            plain.held.set(free, 's9');
          } else if ('claim' in step) {
            const other = book.claim(step.claim, holder(step.by));
            const held = plain.held.get(step.claim);
            expect(other?.id).toBe(held === `s${step.by}` ? undefined : held);
            if (held === undefined) plain.held.set(step.claim, `s${step.by}`);
          } else if ('retire' in step) {
            if (plain.retired.has(step.retire)) continue;
            book.retired?.add(step.retire, retired(step.retire));
            plain.retired.add(step.retire);
          } else if ('revive' in step) {
            book.retired?.remove(step.revive);
            plain.retired.delete(step.revive);
          } else {
            book.release(step.release, holder(step.by));
            if (plain.held.get(step.release) === `s${step.by}`) plain.held.delete(step.release);
          }
          expect([...book.holders()].map((h) => h.id).sort()).toEqual([...plain.held.values()].sort());
          expect([...(book.retired?.keys() ?? [])].sort()).toEqual([...plain.retired].sort());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives a value again that was released', () => {
    const book = new RangeBook<number>(new Journal(), numbering);
    book.claim(0, holder(1));
    expect(book.firstFree(0, 9)).toBe(1);
    book.release(0, holder(1));
    expect(book.firstFree(0, 9)).toBe(0);
  });

  it('fills two ranges by turns and looks at each value once', () => {
    let looks = 0;
    const keyOf = (value: number): number => {
      looks++;
      return value;
    };
    const book = new RangeBook<number>(new Journal(), { ...numbering, keyOf });
    for (let i = 0; i < 1000; i++) for (const first of [0, 10_000]) book.claim(book.firstFree(first, first + 5000) ?? -1, holder(i));
    expect(looks).toBeLessThanOrEqual(4000);
  });
});

describe('PortBook', () => {
  it('lets several services have a port of mode host, unless one has it in mode ingress', () => {
    const journal = new Journal();
    const book = new PortBook(journal);
    expect([book.host.claim(80, holder(1)), book.host.claim(80, holder(2)), book.claim(80, holder(3))?.id]).toEqual([undefined, undefined, 's1']);
    book.host.release(80, holder(1));
    expect(book.claim(80, holder(3))?.id).toBe('s2');
    journal.begin();
    book.host.release(80, holder(2));
    expect([book.claim(80, holder(3)), book.host.claim(80, holder(1))?.id]).toEqual([undefined, 's3']);
    journal.rollBack();
    expect([book.claim(80, holder(3))?.id, book.firstFree(80, 90)]).toEqual(['s2', 81]);
  });

  it('gives a port again when the last host port of that number is gone', () => {
    const book = new PortBook(new Journal());
    for (const i of [1, 2]) book.host.claim(80, holder(i));
    expect(book.firstFree(80, 90)).toBe(81);
    book.host.release(80, holder(1));
    expect(book.firstFree(80, 90)).toBe(81);
    book.host.release(80, holder(2));
    expect(book.firstFree(80, 90)).toBe(80);
  });
});
