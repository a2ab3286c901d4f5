import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Holder, RangeBook } from '../src/book.js';
import { Journal } from '../src/journal.js';

const holder = (i: number): Holder => ({ kind: 'service', id: `s${i}`, name: `s${i}` });

type Move = { readonly claim: number; readonly by: number } | { readonly release: number; readonly by: number } | 'take' | 'begin' | 'keep' | 'undo';
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ claim: fc.nat(12), by: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ release: fc.nat(12), by: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.constant('take' as const) },
  fc.constantFrom('begin' as const, 'keep' as const, 'undo' as const),
);

/** The same book without cursor and journal. */
class PlainBook {
  held = new Map<number, string>();
  saved: Map<number, string> | null = null;

  firstFree(first: number, last: number): number | undefined {
    for (let value = first; value <= last; value++) if (!this.held.has(value)) return value;
    return undefined;
  }
}

describe('RangeBook', () => {
  it('always gives the lowest free value, whatever was claimed, released and undone', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), fc.constantFrom(0, 2), (moves, first) => {
        const journal = new Journal();
        const book = new RangeBook<number>(journal, { keyOf: (value) => value, valueOf: (key) => key });
        const plain = new PlainBook();
        for (const step of moves) {
          if (step === 'begin') {
            journal.begin();
            plain.saved = new Map(plain.held);
          } else if (step === 'keep') {
            journal.keep();
            plain.saved = null;
          } else if (step === 'undo') {
            journal.rollBack();
            plain.held = plain.saved ?? plain.held;
            plain.saved = null;
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
          } else {
            book.release(step.release, holder(step.by));
            if (plain.held.get(step.release) === `s${step.by}`) plain.held.delete(step.release);
          }
          expect([...book.holders()].map((h) => h.id).sort()).toEqual([...plain.held.values()].sort());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives a value again that was released', () => {
    const book = new RangeBook<number>(new Journal(), { keyOf: (value) => value, valueOf: (key) => key });
    book.claim(0, holder(1));
    expect(book.firstFree(0, 9)).toBe(1);
    book.release(0, holder(1));
    expect(book.firstFree(0, 9)).toBe(0);
  });

  it('counts anew when its range begins elsewhere', () => {
    const book = new RangeBook<number>(new Journal(), { keyOf: (value) => value, valueOf: (key) => key });
    expect([book.firstFree(5, 9), book.firstFree(2, 9), book.firstFree(5, 9)]).toEqual([5, 2, 5]);
  });
});
