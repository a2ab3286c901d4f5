import { describe, expect, it } from 'vitest';
import type { Planted } from './planted.js';
import { simulate } from './simulate.js';

const MOST_SEEDS = 200;

interface Bug {
  readonly name: string;
  readonly planted: Planted;
  /** Any of them shows it. */
  readonly caughtBy: readonly string[];
}

const bugs: readonly Bug[] = [
  {
    name: 'a lost outbox row',
    planted: { published: (messages) => messages.slice(1) },
    caughtBy: ['every outbox row reaches the queue'],
  },
  {
    name: 'an accepted older generation',
    // To the agent it is the state of another node, of which it knows no generation.
    planted: { replayed: (old) => ({ ...old, nodeId: `${old.nodeId.slice(1)}0` }) },
    caughtBy: ['generations never go back'],
  },
  {
    name: 'a forgotten prune',
    planted: {
      observed: (observation, wanted) => {
        const keys = new Set(wanted.objects.map(({ key }) => key));
        return { ...observation, objects: observation.objects.filter(({ key, kind }) => kind !== 'real-server' || keys.has(key)) };
      },
    },
    caughtBy: ['every kernel equals its newest state'],
  },
  {
    name: 'a reused mark',
    planted: { settled: ({ cluster }) => cluster.revision },
    caughtBy: ['nothing is given again while a node holds it'],
  },
  {
    name: 'a DNS record before its data path',
    planted: { batches: (batches) => [...batches.filter(({ tool }) => tool === 'dns'), ...batches.filter(({ tool }) => tool !== 'dns')] },
    caughtBy: ['a name never comes before its data path'],
  },
];

describe('bugs that are planted', () => {
  it.each(bugs)('$name is caught', async ({ name, planted, caughtBy }) => {
    for (let seed = 1; seed <= MOST_SEEDS; seed++) {
      const { failure } = await simulate({ seed, planted });
      if (failure === undefined || !caughtBy.includes(failure.invariant)) continue;
      console.log(`${name}: caught by seed ${seed}: ${failure.message}`);
      // Without the bug the same world keeps its promises.
      expect((await simulate({ seed })).failure).toBeUndefined();
      return;
    }
    expect.fail(`${name} was not caught by ${MOST_SEEDS} seeds`);
  });
});
