import type { ResultOf } from '@graphql-typed-document-node/core';
import { Accordion, Anchor, Group, Stack, Text } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';
import { useQuery } from 'urql';
import { Fault } from '../../parts/fault.js';
import { Loading } from '../../parts/loading.js';
import { StateBadge } from '../../parts/state-badge.js';
import { type Column, DataTable } from '../../parts/table.js';
import { PlanFlowsDocument } from './documents.js';
import { type FlowEffect, flowEffectOf, flowEffects } from './flow-effect.js';

type Flow = NonNullable<ResultOf<typeof PlanFlowsDocument>['cluster']>['changesetFlows'][number];

interface FlowsProps {
  readonly cluster: string;
  readonly plan: string;
  /** Newest of the cluster: the answer is about it. */
  readonly revision: number;
}

const toneOf = { ends: 'bad', begins: 'good', moves: 'warn' } as const;

/** Which flows the plan would end, begin or move; asked for when it is opened (`flows` in the address), as every flow is walked for it. */
export function Flows({ cluster, plan, revision }: FlowsProps) {
  const [search, setSearch] = useSearchParams();
  const isOpen = search.has('flows');
  const open = (flows: boolean): void => {
    const next = new URLSearchParams(search);
    if (flows) next.set('flows', '');
    else for (const name of ['flows', 'q', 'sort']) next.delete(name);
    setSearch(next, { replace: true });
  };
  return (
    <Stack gap="xs">
      <Text fw={600} component="h2">
        What reaches what
      </Text>
      <Accordion variant="separated" value={isOpen ? 'flows' : null} onChange={(value) => open(value !== null)}>
        <Accordion.Item value="flows">
          <Accordion.Control>
            <Text fw={560}>Flows that end, begin or move</Text>
          </Accordion.Control>
          {/* Asked for again when something else is wanted, not with all that moves in the cluster. */}
          <Accordion.Panel>{isOpen && <FlowTable key={revision} cluster={cluster} plan={plan} />}</Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Stack>
  );
}

function FlowTable({ cluster, plan }: Omit<FlowsProps, 'revision'>) {
  const [{ data, error }] = useQuery({ query: PlanFlowsDocument, variables: { cluster, id: plan }, requestPolicy: 'network-only' });
  if (error !== undefined) return <Fault error={error} />;
  const flows = data?.cluster?.changesetFlows;
  if (flows === undefined) return <Loading />;
  if (flows.length === 0) return <Text size="sm">Everything reaches what it reached before, by the same endpoints.</Text>;
  const counts = flowEffects.map((effect) => ({ effect, count: flows.filter((flow) => flowEffectOf(flow) === effect).length }));
  return (
    <Stack gap="xs">
      <Group gap="xs" role="status">
        {counts
          .filter(({ count }) => count > 0)
          .map(({ effect, count }) => (
            <StateBadge key={effect} tone={toneOf[effect]}>
              {countText(effect, count)}
            </StateBadge>
          ))}
      </Group>
      <DataTable
        rows={flows}
        columns={columnsOf(cluster)}
        keyOf={({ from, to, node }) => JSON.stringify([from, to, node])}
        search="Search flows"
        empty="No flow is named so."
        height={420}
      />
    </Stack>
  );
}

/** `1 flow ends`, `2 flows end`. */
function countText(effect: FlowEffect, count: number): string {
  return count === 1 ? `1 flow ${effect}` : `${count} flows ${effect.slice(0, -1)}`;
}

function columnsOf(cluster: string): readonly Column<Flow>[] {
  return [
    { id: 'effect', title: 'What', value: flowEffectOf, cell: (flow) => <StateBadge tone={toneOf[flowEffectOf(flow)]}>{flowEffectOf(flow)}</StateBadge> },
    {
      id: 'flow',
      title: 'Flow',
      value: ({ from, to, node }) => `${from} → ${to}${node == null ? '' : ` through ${node}`}`,
      cell: ({ from, to, node }) => (
        <Anchor component={Link} size="sm" to={explainPath(cluster, { from, to, node })}>
          {from} → {to}
          {node == null ? '' : ` through ${node}`}
        </Anchor>
      ),
    },
    { id: 'text', title: 'How', value: ({ text }) => text },
  ];
}

function explainPath(cluster: string, { from, to, node }: Pick<Flow, 'from' | 'to' | 'node'>): string {
  const search = new URLSearchParams({ from, to, ...(node == null ? {} : { node }) });
  return `/clusters/${encodeURIComponent(cluster)}/explain?${search}`;
}
