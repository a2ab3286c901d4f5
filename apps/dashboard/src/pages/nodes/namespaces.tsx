import { Alert, Group, SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { type Compared, comparedObjects, type ShownNode } from './compared.js';
import { NamespaceCard } from './namespace-card.js';
import { ObjectTables } from './object-tables.js';

interface NamespacesProps {
  readonly node: ShownNode;
  readonly networks: readonly { readonly id: string; readonly name: string }[];
}

/** Endpoints at the top, the networks that they are on beneath, the host at the bottom: a packet to another host goes down. */
const levels = ['endpoint', 'balancer', 'overlay', 'host'] as const;
type Level = (typeof levels)[number];

const levelTitles: Readonly<Record<Level, string>> = {
  endpoint: 'Endpoints',
  balancer: 'Load balancers and ingress',
  overlay: 'Overlays',
  host: 'Host',
};

function levelOf(space: string): Level {
  if (space === 'host') return 'host';
  if (space.startsWith('endpoint:')) return 'endpoint';
  return space.startsWith('own:1-') ? 'overlay' : 'balancer';
}

/** The namespaces of a host with the devices that join them; one is chosen, in the address, and shown whole. */
export function Namespaces({ node, networks }: NamespacesProps) {
  const [search, setSearch] = useSearchParams();
  const onlyDifferences = search.get('show') === 'differences';
  const compared = useMemo(() => comparedObjects(node), [node]);
  const bySpace = useMemo(() => Map.groupBy(compared, ({ space }) => space), [compared]);
  const chosen = search.get('space') ?? 'host';
  const titleOf = (space: string): string => titleOfSpace(space, node, networks);
  const set = (name: string, value: string, usual: string): void => {
    const next = new URLSearchParams(search);
    if (value === usual) next.delete(name);
    else next.set(name, value);
    setSearch(next, { replace: true });
  };
  const shown = (bySpace.get(chosen) ?? []).filter(({ comparison }) => !onlyDifferences || comparison !== 'same');
  const differences = compared.filter(({ comparison }) => comparison !== 'same').length;
  return (
    <Stack>
      {node.observed === null && (
        <Alert color="orange" variant="light" title="This node has never reported">
          What is shown is what is wanted. Start its agent.
        </Alert>
      )}
      {levels.map((level) => {
        const spaces = [...bySpace.keys()].filter((space) => levelOf(space) === level).sort((a, b) => (titleOf(a) < titleOf(b) ? -1 : 1));
        return spaces.length === 0 ? null : (
          <Stack key={level} gap={6}>
            <Text size="xs" c="dimmed" fw={600}>
              {levelTitles[level]}
            </Text>
            <SimpleGrid cols={{ base: 1, sm: 2, lg: level === 'host' ? 1 : 4 }} spacing="xs">
              {spaces.map((space) => (
                <NamespaceCard
                  key={space}
                  title={titleOf(space)}
                  name={space.replace(/^(own|endpoint):/, '')}
                  objects={bySpace.get(space) ?? []}
                  arriving={arrivingIn(space, compared)}
                  isChosen={space === chosen}
                  onChoose={() => set('space', space, 'host')}
                />
              ))}
            </SimpleGrid>
          </Stack>
        );
      })}
      <Group justify="space-between" mt="md">
        <Text fw={640} component="h2" size="lg">
          {titleOf(chosen)}
        </Text>
        <SegmentedControl
          aria-label="Which objects"
          value={onlyDifferences ? 'differences' : 'all'}
          onChange={(value) => set('show', value, 'all')}
          data={[
            { value: 'all', label: 'All objects' },
            { value: 'differences', label: `Differences (${differences} on this node)` },
          ]}
        />
      </Group>
      <ObjectTables objects={shown} />
    </Stack>
  );
}

/** Pairs whose other end is in a namespace: they are objects of the namespace that is named first. */
function arrivingIn(space: string, compared: readonly Compared[]): readonly string[] {
  return compared.flatMap(({ kind, wanted }): string[] => {
    const body = kind === 'veth' && wanted !== undefined ? (wanted.body as { readonly peer?: { readonly space: string; readonly name: string } }) : undefined;
    return body?.peer?.space === space ? [body.peer.name] : [];
  });
}

function titleOfSpace(space: string, { endpoints }: ShownNode, networks: NamespacesProps['networks']): string {
  if (space === 'host') return 'Host';
  if (space.startsWith('endpoint:')) return endpoints.find(({ id }) => `endpoint:${id}` === space)?.name ?? space;
  if (space === 'own:ingress_sbox') return 'Ingress sandbox';
  const start = space.replace(/^own:(1-|lb_)/, '');
  const network = networks.find(({ id }) => id.startsWith(start))?.name ?? start;
  return space.startsWith('own:lb_') ? `Load balancer of ${network}` : `Overlay ${network}`;
}
