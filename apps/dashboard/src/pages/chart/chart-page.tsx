import { withChanges } from '../../parts/search-params.js';
import '@xyflow/react/dist/style.css';
import { Alert, Button, Card, Group, SegmentedControl, Stack, Text, useComputedColorScheme } from '@mantine/core';
import { Background, BackgroundVariant, Controls, type NodeTypes, Panel, ReactFlow } from '@xyflow/react';
import { useEffect, useMemo, useState } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Command } from '../../parts/command.js';
import { Answer, Page } from '../../parts/page.js';
import { useKey } from '../../shell/use-key.js';
import { ChartCard } from './card.js';
import classes from './card.module.css';
import { ChartDocument, type Cluster } from './documents.js';
import { type Card as ChartNode, type Graph, graphOf, type Pivot, pivots } from './graph.js';
import { grouped } from './groups.js';
import { placesOf, type Shape, shapeOf } from './layout.js';
import { Legend } from './legend.js';
import { thingsOf } from './things.js';

const nodeTypes: NodeTypes = { card: ChartCard };

/** The cluster as a map: what is published, what answers, on which network and on which host. */
export default function ChartPage() {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const about = search.get('about');
  const pivot = pivots.find((own) => own === search.get('by')) ?? 'service';
  const live = useLive(ChartDocument, { cluster });
  const set = (name: 'about' | 'by', value: string | null): void => setSearch(withChanges(search, { [name]: value }));
  const choose = (id: string | null): void => set('about', id);
  useKey('Escape', () => {
    if (about !== null) choose(null);
  });
  return (
    <Page
      title="Chart"
      about="What is published, what answers, on which network and on which host. Choose a card to see only what it is joined to."
      actions={
        <Group gap="sm">
          {about !== null && (
            <Button variant="default" onClick={() => choose(null)}>
              Whole chart
            </Button>
          )}
          <SegmentedControl
            aria-label="Begin with"
            value={pivot}
            onChange={(value) => set('by', value === 'service' ? null : value)}
            data={[
              { value: 'service', label: 'By service' },
              { value: 'node', label: 'By node' },
              { value: 'network', label: 'By network' },
            ]}
          />
        </Group>
      }
    >
      <Answer live={live}>
        {({ cluster: shown }) =>
          shown == null || shown.nodes.length === 0 ? <EmptyCluster /> : <Drawing cluster={shown} about={about} pivot={pivot} choose={choose} />
        }
      </Answer>
    </Page>
  );
}

interface Drawn {
  readonly cluster: Cluster;
  readonly about: string | null;
  readonly pivot: Pivot;
  readonly choose: (id: string | null) => void;
}

function Drawing({ cluster, about, pivot, choose }: Drawn) {
  const scheme = useComputedColorScheme('light');
  const { cluster: name = '' } = useParams();
  const things = useMemo(() => thingsOf(cluster), [cluster]);
  const graph = useMemo(() => graphOf(grouped(things, about), pivot), [things, about, pivot]);
  const cards = usePlaced(graph, pivot);
  const chosen = cards?.find(({ id }) => id === about)?.data;
  if (cards === undefined) return null;
  return (
    <Stack gap="xs">
      {chosen?.page != null && (
        <Text size="sm">
          <Button size="compact-sm" variant="light" component={Link} to={`/clusters/${encodeURIComponent(name)}/${chosen.page}`}>
            Open {chosen.title}
          </Button>
        </Text>
      )}
      <div className={classes.flow}>
        <ReactFlow
          key={`${about ?? ''} ${pivot}`}
          nodes={cards.map((card) => ({ ...card, selected: card.id === about, ariaLabel: `${card.data.kind} ${card.data.title}, ${card.data.word}` }))}
          edges={graph.isCrowded && about === null ? [] : [...graph.edges]}
          nodeTypes={nodeTypes}
          colorMode={scheme}
          onNodeClick={(_event, { id }) => choose(id === about ? null : id)}
          onSelectionChange={({ nodes: [first] }) => {
            if (first !== undefined && first.id !== about) choose(first.id);
          }}
          nodesDraggable={false}
          nodesConnectable={false}
          edgesFocusable={false}
          onlyRenderVisibleElements
          fitView
          fitViewOptions={{ padding: 0.12, maxZoom: 1.1 }}
          minZoom={0.1}
        >
          <Background variant={BackgroundVariant.Lines} gap={90} lineWidth={0.4} />
          <Controls showInteractive={false} />
          <Panel position="top-right">
            <Legend />
          </Panel>
        </ReactFlow>
      </div>
    </Stack>
  );
}

/** The cards where they belong; they stay where they are while only what they say changes. */
function usePlaced(graph: Graph, pivot: Pivot): readonly ChartNode[] | undefined {
  const [places, setPlaces] = useState<ReadonlyMap<string, ChartNode['position']>>();
  const shape = JSON.stringify(shapeOf(graph, pivot));
  useEffect(() => {
    let isOld = false;
    const drawn: Shape = JSON.parse(shape);
    void placesOf(drawn).then((placed) => {
      if (!isOld) setPlaces(placed);
    });
    return () => {
      isOld = true;
    };
  }, [shape]);
  return useMemo(() => {
    if (places === undefined || !graph.cards.every(({ id }) => places.has(id))) return undefined;
    return graph.cards.map((card) => ({ ...card, position: places.get(card.id) ?? card.position }));
  }, [graph, places]);
}

function EmptyCluster() {
  return (
    <Card withBorder maw={680}>
      <Stack gap="xs">
        <Text fw={600}>This cluster is empty</Text>
        <Text size="sm">Write down hosts, networks and services in a manifest, or begin with the example:</Text>
        <Command>portolan apply -f examples/bjdt.yaml --wait</Command>
        <Text size="sm">Then let each host join:</Text>
        <Command>portolan token create --role worker --ttl 1h</Command>
        <Command>{`portolan agent --join TOKEN --server ${location.origin}`}</Command>
        <Alert variant="light">This page goes on by itself.</Alert>
      </Stack>
    </Card>
  );
}
