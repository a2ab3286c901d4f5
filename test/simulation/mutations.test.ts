import type { Snapshot } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import type { Planted } from './planted.js';
import { simulate } from './simulate.js';

const MOST_SEEDS = 200;

interface Bug {
  readonly name: string;
  readonly planted: Planted;
  /** How the violation begins that shows it. */
  readonly caughtBy: string;
}

/** A new service gets a mark that somebody has just given up. */
function withReusedMark(before: Snapshot, after: Snapshot): Snapshot {
  const given = after.retired.find(({ pool, value }) => pool === 'mark' && !marksOf(after).has(Number(value)));
  const fresh = [...after.services.values()].find(({ id, networks }) => !before.services.has(id) && networks.some(({ mark }) => mark !== null));
  if (given === undefined || fresh === undefined) return after;
  const at = fresh.networks.findIndex(({ mark }) => mark !== null);
  const networks = fresh.networks.map((network, i) => (i === at ? { ...network, mark: Number(given.value) } : network));
  return { ...after, services: new Map([...after.services, [fresh.id, { ...fresh, networks }]]) };
}

function marksOf({ services }: Snapshot): ReadonlySet<number | null> {
  return new Set([...services.values()].flatMap(({ networks }) => networks.flatMap(({ mark, localMark }) => [mark, localMark])));
}

const bugs: readonly Bug[] = [
  {
    name: 'a lost outbox row',
    planted: { published: (messages) => messages.slice(1) },
    caughtBy: 'every outbox row reaches the queue',
  },
  {
    name: 'an accepted older generation',
    // To the agent it is the state of another node, of which it knows no generation.
    planted: { replayed: (old) => ({ ...old, nodeId: `${old.nodeId.slice(1)}0` }) },
    caughtBy: 'generations never go back',
  },
  {
    name: 'a forgotten prune',
    planted: {
      observed: (observation, wanted) => {
        const keys = new Set(wanted.objects.map(({ key }) => key));
        return { ...observation, objects: observation.objects.filter(({ key, kind }) => kind !== 'real-server' || keys.has(key)) };
      },
    },
    caughtBy: 'every kernel equals its newest state',
  },
  {
    name: 'a reused mark',
    planted: { edited: withReusedMark },
    caughtBy: 'nothing is given again while a node holds it: mark ',
  },
  {
    name: 'a DNS record before its data path',
    planted: {
      sooner: ({ tool }, { objects }) => {
        const names = objects.filter(({ body }) => body.kind === 'dns-name');
        if (tool === 'dns' || names.length === 0) return undefined;
        return {
          space: 'host',
          tool: 'dns',
          text: names.map(({ key, body }) => `set ${key} ${JSON.stringify(body)}\n`).join(''),
          keys: names.map(({ key }) => key),
        };
      },
    },
    caughtBy: 'a name never comes before its data path',
  },
];

describe('bugs that are planted', () => {
  it.each(bugs)('$name is caught', async ({ name, planted, caughtBy }) => {
    for (let seed = 1; seed <= MOST_SEEDS; seed++) {
      const { failure } = await simulate({ seed, planted });
      if (failure?.message.startsWith(caughtBy) !== true) continue;
      console.log(`${name}: caught by seed ${seed}: ${failure.message}`);
      // Without the bug the same world keeps its promises.
      expect((await simulate({ seed })).failure).toBeUndefined();
      return;
    }
    expect.fail(`${name} was not caught by ${MOST_SEEDS} seeds`);
  });
});
