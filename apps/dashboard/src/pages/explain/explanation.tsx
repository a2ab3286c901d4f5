import { Card, Group, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { useSearchParams } from 'react-router';
import { withChanges } from '../../parts/search-params.js';
import { pairedWays } from './alignment.js';
import type { Explained, ShownPath } from './documents.js';
import { words } from './lanes.js';
import { Parting } from './parting.js';
import { partingOf, type Step, stepsOf } from './stages.js';
import { VerdictAlert } from './verdict-alert.js';
import { Walk } from './walk.js';

interface ShownWay {
  readonly backend: string | null;
  readonly wanted: ShownPath | undefined;
  readonly seen: ShownPath | undefined;
  readonly steps: readonly Step[];
  /** Of both walks only. */
  readonly parting: Step | undefined;
}

/** The answer: its verdict, where what was seen is not as it should be, and one of its paths drawn. */
export function Explanation({ wanted, seen }: { readonly wanted: Explained | undefined; readonly seen: Explained | undefined }) {
  const [search, setSearch] = useSearchParams();
  const isBoth = wanted !== undefined && seen !== undefined;
  const ways = pairedWays(wanted?.paths ?? [], seen?.paths ?? []).map((way): ShownWay => {
    const steps = stepsOf(way.wanted, way.seen);
    return { ...way, steps, parting: isBoth ? partingOf(steps) : undefined };
  });
  const named = ways.find(({ backend }) => backend === search.get('path'));
  const way = named ?? ways.find(({ parting }) => parting !== undefined) ?? ways[0];
  const set = (changes: Readonly<Record<string, string>>): void => {
    setSearch(withChanges(search, { ...('path' in changes && { hop: null }), ...changes }), { replace: true });
  };
  const look = (step: number): void => set({ hop: String(step) });
  const divergences = seen?.divergences ?? [];
  const isTold = way?.parting !== undefined || divergences.length > 0;
  const hop = search.get('hop');
  const trails = (seen ?? wanted)?.trails ?? [];
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, md: isTold ? 2 : 1 }} spacing="sm">
        <VerdictAlert wanted={wanted} seen={seen} isSame={ways.every(({ parting }) => parting === undefined)} />
        {isTold && <Parting at={way?.parting} divergences={divergences} onLook={look} />}
      </SimpleGrid>
      {ways.length > 1 && (
        <Group gap="sm">
          <Text size="sm" fw={560} id="path-by">
            Path by
          </Text>
          <Select
            aria-labelledby="path-by"
            data={ways.map((own) => ({ value: own.backend ?? '', label: labelOf(own) }))}
            value={way?.backend ?? ''}
            allowDeselect={false}
            onChange={(value) => set({ path: value ?? '' })}
            flex={1}
            maw={560}
          />
        </Group>
      )}
      {way !== undefined && (
        <Walk steps={way.steps} parting={way.parting} isBoth={isBoth} at={hop === null ? (way.parting?.index ?? 0) : Number(hop)} onStep={look} />
      )}
      {trails.map(({ node, registryKey, lines }) => (
        <Card withBorder key={`${node} ${registryKey}`}>
          <Text fw={600} component="h2" mb={4}>
            How {node} knows where it lives
          </Text>
          {lines.map((line) => (
            <Text key={line} size="sm" className="mono">
              {line}
            </Text>
          ))}
        </Card>
      ))}
    </Stack>
  );
}

function labelOf({ backend, wanted, seen, parting }: ShownWay): string {
  const shares = [...new Set([wanted, seen].flatMap((path) => (path === undefined || path.backend !== backend ? [] : [`${Math.round(path.share * 100)} %`])))];
  const outcome = (seen ?? wanted)?.verdict.outcome ?? 'delivered';
  const goes = `${backend ?? 'nobody'}, ${shares.join(', as it was seen ')} of new connections`;
  const isElsewhere = seen !== undefined && seen.backend !== backend && seen.backend !== null;
  if (isElsewhere) return `${goes}; in the kernels none goes there`;
  if (outcome !== 'delivered') return `${goes}: ${words(outcome)}`;
  return parting === undefined ? goes : `${goes}; parts`;
}
