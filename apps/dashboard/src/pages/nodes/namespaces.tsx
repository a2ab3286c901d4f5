import { Alert, Group, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { withChanges } from '../../parts/search-params.js';
import { comparedObjects, differs, type ShownNode } from './compared.js';
import { NodeDrawing } from './drawing/drawing.js';
import { type Level, levelOf, levels, topologyOf } from './drawing/topology.js';
import { ObjectTables } from './object-tables.js';

interface NamespacesProps {
  readonly node: ShownNode;
  readonly networks: readonly { readonly id: string; readonly name: string }[];
}

const levelTitles: Readonly<Record<Level, string>> = {
  endpoint: 'Endpoints',
  overlay: 'Overlays',
  balancer: 'Load balancers and ingress',
  host: 'Host',
};

/** The namespaces of a host with the devices that join them; one is chosen, in the address, and shown whole. */
export function Namespaces({ node, networks }: NamespacesProps) {
  const [search, setSearch] = useSearchParams();
  const onlyDifferences = search.get('show') === 'differences';
  const compared = useMemo(() => comparedObjects(node), [node]);
  const chosen = search.get('space') ?? 'host';
  const topology = useMemo(
    () =>
      topologyOf(compared, {
        underlay: { link: node.underlayLink, address: node.address, mtu: node.underlayMtu },
        titleOf: (space) => titleOfSpace(space, node, networks),
        chosen,
      }),
    [compared, node, networks, chosen],
  );
  const set = (name: string, value: string, usual: string): void => {
    setSearch(withChanges(search, { [name]: value === usual ? null : value }), { replace: true });
  };
  const shown = compared.filter(({ space, comparison }) => space === chosen && (!onlyDifferences || differs({ comparison })));
  const differences = compared.filter(differs).length;
  const spaces = Map.groupBy(new Set(['host', ...compared.map(({ space }) => space)]), levelOf);
  return (
    <Stack>
      {node.observed === null && (
        <Alert color="orange" variant="light" title="This node has never reported">
          What is shown is what is wanted. Start its agent.
        </Alert>
      )}
      <NodeDrawing topology={topology} chosen={chosen} onChoose={(space) => set('space', space, 'host')} />
      <Group justify="space-between" gap="sm">
        <Text fw={640} component="h2" size="lg">
          {titleOfSpace(chosen, node, networks)}
        </Text>
        <Group gap="sm">
          <Select
            aria-label="Namespace"
            value={chosen}
            onChange={(space) => set('space', space ?? 'host', 'host')}
            data={levels.map((level) => ({
              group: levelTitles[level],
              items: (spaces.get(level) ?? []).map((space) => ({ value: space, label: titleOfSpace(space, node, networks) })).sort(byLabel),
            }))}
            searchable
            allowDeselect={false}
            w={280}
          />
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
      </Group>
      <ObjectTables objects={shown} />
    </Stack>
  );
}

const byLabel = (one: { readonly label: string }, other: { readonly label: string }): number => one.label.localeCompare(other.label, 'en', { numeric: true });

function titleOfSpace(space: string, { endpoints }: ShownNode, networks: NamespacesProps['networks']): string {
  if (space === 'host') return 'Host';
  if (space.startsWith('endpoint:')) return endpoints.find(({ id }) => `endpoint:${id}` === space)?.name ?? space;
  if (space === 'own:ingress_sbox') return 'Ingress sandbox';
  const start = space.replace(/^own:(1-|lb_)/, '');
  const network = networks.find(({ id }) => id.startsWith(start))?.name ?? start;
  return space.startsWith('own:lb_') ? `Load balancer of ${network}` : `Overlay ${network}`;
}
