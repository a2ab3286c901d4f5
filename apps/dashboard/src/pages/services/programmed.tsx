import { Anchor, Stack, Text, Tooltip } from '@mantine/core';
import { useMemo } from 'react';
import { Link } from 'react-router';
import { Ago } from '../../parts/ago.js';
import { StateBadge } from '../../parts/state-badge.js';
import { type Column, DataTable } from '../../parts/table.js';
import type { Tone } from '../../shell/theme.js';
import { countText, type Place, type Traffic } from './traffic.js';

/** Faults that are written out; of more it is said how many there are. */
const FAULTS_SHOWN = 8;

interface OnNode {
  readonly node: string;
  readonly places: readonly Place[];
  /** What the node has counted; undefined: its agent has not told. */
  readonly counted: Traffic['nodes'][number] | undefined;
}

interface ProgrammedProps {
  readonly cluster: string;
  readonly revision: number;
  readonly places: readonly Place[];
  readonly traffic: Traffic;
}

/** On which nodes a service is balanced, whether their kernels have it as they should, and what each has sent on. */
export function Programmed({ cluster, revision, places, traffic }: ProgrammedProps) {
  const columns = useMemo(() => columnsOf(cluster, revision), [cluster, revision]);
  const rows = useMemo(() => byNode(places, traffic), [places, traffic]);
  return (
    <Stack gap="xs">
      <Text fw={600} component="h2">
        Where it is programmed
      </Text>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nowhere: names lead to its endpoints, or no node takes part in its networks.
        </Text>
      ) : (
        <DataTable rows={rows} columns={columns} keyOf={({ node }) => node} search="Find a node or namespace" empty="No node is like that." height={420} />
      )}
    </Stack>
  );
}

function byNode(places: readonly Place[], { nodes }: Traffic): readonly OnNode[] {
  const counted = new Map(nodes.map((own) => [own.node.name, own]));
  return [...Map.groupBy(places, ({ node }) => node.name)].map(([node, own]) => ({ node, places: own, counted: counted.get(node) }));
}

const faultsOf = ({ places }: OnNode): readonly string[] => places.flatMap(({ faults }) => faults);
const isUnknown = ({ places }: OnNode): boolean => places.some(({ virtualServer }) => virtualServer === 'unknown');

function stateOf(row: OnNode): { readonly tone: Tone; readonly word: string } {
  if (isUnknown(row)) return { tone: 'idle', word: 'not reported' };
  const faults = faultsOf(row).length;
  return faults === 0 ? { tone: 'good', word: 'as wanted' } : { tone: 'bad', word: faults === 1 ? '1 fault' : `${faults} faults` };
}

const sumOf = ({ places }: OnNode, count: (place: Place) => number): number => places.reduce((sum, place) => sum + count(place), 0);
const appliedOf = ({ places }: OnNode): number => places[0]?.appliedRevision ?? 0;
/** Without what says only that a namespace is the agent's own. */
const placeText = ({ space, mark, local }: Place): string => `${space.replace(/^own:/, '')} 0x${mark.toString(16)}${local ? ' local' : ''}`;

function columnsOf(cluster: string, revision: number): readonly Column<OnNode>[] {
  return [
    {
      id: 'node',
      title: 'Node',
      value: ({ node }) => node,
      cell: ({ node }) => (
        <Anchor size="sm" fw={560} component={Link} to={`/clusters/${encodeURIComponent(cluster)}/nodes/${encodeURIComponent(node)}`}>
          {node}
        </Anchor>
      ),
    },
    {
      id: 'state',
      title: 'Kernel',
      value: (row) => stateOf(row).word,
      cell: (row) => {
        const { tone, word } = stateOf(row);
        const faults = faultsOf(row);
        const more = faults.length - FAULTS_SHOWN;
        const text = [...faults.slice(0, FAULTS_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
        return (
          <Tooltip label={text} disabled={faults.length === 0} multiline style={{ whiteSpace: 'pre' }}>
            <span>
              <StateBadge tone={tone}>{word}</StateBadge>
            </span>
          </Tooltip>
        );
      },
    },
    {
      id: 'places',
      title: 'Namespace and mark',
      value: ({ places }) => places.map(placeText).join(', '),
      cell: ({ places }) => <span className="mono">{places.map(placeText).join(', ')}</span>,
    },
    {
      id: 'servers',
      title: 'Real servers',
      value: (row) => sumOf(row, ({ realServers }) => realServers ?? 0),
      cell: (row) => {
        const wanted = sumOf(row, ({ wantedRealServers }) => wantedRealServers);
        return isUnknown(row) ? `? of ${wanted}` : `${sumOf(row, ({ realServers }) => realServers ?? 0)} of ${wanted}`;
      },
    },
    {
      id: 'applied',
      title: 'Revision',
      value: appliedOf,
      cell: (row) => {
        const behind = revision - appliedOf(row);
        return behind > 0 ? `${appliedOf(row)}, ${behind} behind` : appliedOf(row);
      },
    },
    {
      id: 'requests',
      title: 'Requests from here',
      value: ({ counted }) => counted?.connections ?? -1,
      cell: ({ counted }) => <span className="mono">{counted === undefined ? '–' : countText(counted.connections)}</span>,
    },
    {
      id: 'now',
      title: 'Open now',
      value: ({ counted }) => counted?.active ?? -1,
      cell: ({ counted }) => <span className="mono">{counted === undefined ? '–' : countText(counted.active)}</span>,
    },
    {
      id: 'read',
      title: 'Counted',
      value: ({ counted }) => counted?.readAt ?? '',
      cell: ({ counted }) => (counted === undefined ? 'not told' : <Ago at={counted.readAt} />),
    },
  ];
}
