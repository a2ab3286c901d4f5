import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { routeTable } from '../../src/relay/routes.js';

/** Few bits, so that subnets are within each other and addresses hit. */
const addresses = fc.tuple(fc.constantFrom(0x0a05, 0xc0a8), fc.nat(0xffff)).map(([high, low]) => (high << 16) | low | 0);
const lengths = fc.constantFrom(0, 8, 16, 20, 24, 25, 30, 32);
const edits = fc.record({ set: fc.boolean(), network: addresses, length: lengths, host: fc.integer() });

const within = (address: number, network: number, length: number): boolean => length === 0 || (address ^ network) >>> (32 - length) === 0;

describe('routeTable', () => {
  it('finds what a search through all subnets finds', () => {
    fc.assert(
      fc.property(fc.array(edits, { maxLength: 60 }), fc.array(addresses, { minLength: 1, maxLength: 20 }), (changes, asked) => {
        const table = routeTable();
        let all: { network: number; length: number; host: number }[] = [];
        for (const { set, network, length, host } of changes) {
          all = all.filter((other) => other.length !== length || !within(network, other.network, length));
          if (set) all.push({ network, length, host });
          if (set) table.set(network, length, host);
          else table.delete(network, length);
        }
        for (const address of asked) {
          const [best] = all.filter(({ network, length }) => within(address, network, length)).sort((a, b) => b.length - a.length);
          expect(table.find(address)).toBe(best?.host);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
