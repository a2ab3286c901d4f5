import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Tests run from the sources: the "source" condition of each package's exports.
const conditions = ['source'];
// One instance of it, as in Node: there is another file for bundlers, and types of the two do not know each other.
const alias = [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }];
const shared = { resolve: { conditions, alias }, ssr: { resolve: { conditions } } };

/** It needs no machine for itself as labs do: its hosts are in the test's process. */
const joinedAgents = 'test/e2e/joined-agents.test.ts';

const besideEachOther = {
  // Each waits more than half of its time, for servers that start and leases that end.
  maxWorkers: availableParallelism() + 1,
  // A worker keeps its modules for the next file: to load them anew took a quarter of all the processors' time.
  isolate: false,
};

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          ...besideEachOther,
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', joinedAgents],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      { ...shared, test: { name: 'architecture', ...besideEachOther, include: ['test/architecture/**/*.test.ts'], testTimeout: 120_000 } },
      {
        ...shared,
        test: {
          name: 'system',
          include: ['test/simulation/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts'],
          exclude: [joinedAgents],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Labs and simulations need the machine for themselves.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
