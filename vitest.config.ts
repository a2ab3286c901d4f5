import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Tests run from the sources: the "source" condition of each package's exports.
const conditions = ['source'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // One less than there are processors would be one, where there are two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
        },
      },
      { ...shared, test: { name: 'architecture', include: ['test/architecture/**/*.test.ts'], testTimeout: 120_000, sequence: { groupOrder: 1 } } },
      {
        ...shared,
        test: {
          name: 'system',
          include: ['test/simulation/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Labs and simulations need the machine for themselves.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
