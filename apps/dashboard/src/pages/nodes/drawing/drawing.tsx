import '@xyflow/react/dist/style.css';
import { Group, Stack, Text, useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { Controls, type EdgeTypes, type NodeTypes, ReactFlow, type ReactFlowInstance } from '@xyflow/react';
import { useEffect, useMemo, useState } from 'react';
import { type BoxNode, NamespaceBox } from './box.js';
import classes from './drawing.module.css';
import { type PlacedBox, placedBox } from './geometry.js';
import { graphOf, type Layout, placed } from './layout.js';
import { DrawnLine, type LineEdge } from './line.js';
import { comparisonWords, type End, type Topology } from './topology.js';

const nodeTypes: NodeTypes = { namespace: NamespaceBox };
const edgeTypes: EdgeTypes = { line: DrawnLine };

/** Pixels. */
const MOST_HEIGHT = 600;
const MARGIN = 16;

/** A smaller drawing has buttons to look closer. */
const LEGIBLE = 0.7;

/** A drawing that would be smaller is seen in part, and moved by dragging it. */
const SMALLEST = 0.5;

/** The namespaces of a host as the study draws them: endpoints, overlays, load balancers, the host and its way out; each leads to its tables. */
export function NodeDrawing({
  topology,
  chosen,
  onChoose,
}: {
  readonly topology: Topology;
  readonly chosen: string;
  readonly onChoose: (space: string) => void;
}) {
  const scheme = useComputedColorScheme('light');
  const { ref, width } = useElementSize();
  const [flow, setFlow] = useState<ReactFlowInstance<BoxNode, LineEdge>>();
  const boxes = useMemo(() => topology.boxes.map(placedBox), [topology]);
  const layout = useLayout(topology, boxes);
  if (layout === undefined) return <div ref={ref} className={classes.flow} style={{ height: MOST_HEIGHT / 2 }} />;
  const right = Math.max(...boxes.map((own) => (layout.places.get(own.box.space)?.x ?? 0) + own.width)) + 2 * MARGIN;
  const below = Math.max(...boxes.map((own) => (layout.places.get(own.box.space)?.y ?? 0) + own.height)) + 2 * MARGIN;
  // As high as it is when it is as wide as the page, and never larger than life.
  const scale = width === 0 ? 1 : Math.max(SMALLEST, Math.min(1, width / right));
  const height = Math.min(MOST_HEIGHT, Math.max(260, below * scale));
  const titles = new Map(topology.boxes.map(({ space, title }) => [space, title]));
  const nameOf = ({ space, device }: End): string => `${device} of ${titles.get(space) ?? space}`;
  const show = (own: PlacedBox): void => {
    const place = layout.places.get(own.box.space);
    // What is seen whole stays where it is.
    if (flow === undefined || place === undefined || width / right >= SMALLEST) return;
    void flow.setCenter(place.x + own.width / 2, place.y + own.height / 2, { zoom: flow.getZoom() });
  };
  const nodes = boxes.map(
    (own): BoxNode => ({
      id: own.box.space,
      type: 'namespace',
      position: layout.places.get(own.box.space) ?? { x: 0, y: 0 },
      width: own.width,
      height: own.height,
      data: { placed: own, isChosen: own.box.space === chosen, choose: () => onChoose(own.box.space), show: () => show(own) },
    }),
  );
  const edges = topology.lines.flatMap((line): LineEdge[] => {
    const points = layout.paths.get(line.id);
    if (points === undefined) return [];
    const isChosen = line.from.space === chosen || line.to.space === chosen;
    return [
      {
        ...{ id: line.id, type: 'line', source: line.from.space, target: line.to.space, data: { line, points, isChosen }, zIndex: isChosen ? 2 : 1 },
        ariaLabel: `${line.kind}: ${nameOf(line.from)} to ${nameOf(line.to)}, ${comparisonWords[line.comparison]}`,
      },
    ];
  });
  const left = [
    ...(topology.left.endpoint > 0 ? [`${topology.left.endpoint} more endpoints`] : []),
    ...(topology.left.overlay > 0 ? [`${topology.left.overlay} more overlays`] : []),
  ];
  return (
    <Stack gap={6}>
      <section ref={ref} className={classes.flow} style={{ height }} aria-label="Drawing of the namespaces">
        {width > 0 && (
          <ReactFlow
            key={`${topology.boxes.length} ${Math.round(width)} ${Math.round(height)}`}
            nodes={nodes}
            edges={edges}
            nodeTypes={nodeTypes}
            edgeTypes={edgeTypes}
            colorMode={scheme}
            nodesDraggable={false}
            nodesConnectable={false}
            nodesFocusable={false}
            elementsSelectable={false}
            edgesFocusable={false}
            // The wheel moves the page, on which there are tables below.
            zoomOnScroll={false}
            preventScrolling={false}
            fitView
            fitViewOptions={{ padding: `${MARGIN}px`, minZoom: SMALLEST, maxZoom: 1 }}
            onInit={setFlow}
            minZoom={0.1}
          >
            {scale < LEGIBLE && <Controls showInteractive={false} position="bottom-left" />}
          </ReactFlow>
        )}
      </section>
      <Group gap="md" className={classes.legend}>
        <Text size="xs" c="dimmed">
          <i data-kind="pair" /> pair (veth)
        </Text>
        <Text size="xs" c="dimmed">
          <i data-kind="tunnel" /> packets of a VTEP, through the underlay
        </Text>
        <Text size="xs" c="dimmed">
          <i data-kind="wrong" /> not in the kernel as wanted
        </Text>
        {left.length > 0 && (
          <Text size="xs" c="dimmed">
            Not drawn: {left.join(', ')}; all are below.
          </Text>
        )}
      </Group>
    </Stack>
  );
}

/** Asked for again only when sizes, ports or lines change, and not with every word; until then everything stays where it is. */
function useLayout(topology: Topology, boxes: Parameters<typeof placed>[1]): Layout | undefined {
  const [layout, setLayout] = useState<{ readonly shape: string; readonly made: Layout }>();
  const shape = useMemo(() => JSON.stringify(graphOf(topology, boxes)), [topology, boxes]);
  useEffect(() => {
    if (layout?.shape === shape) return;
    let isOld = false;
    void placed(topology, boxes).then((made) => {
      if (!isOld) setLayout({ shape, made });
    });
    return () => {
      isOld = true;
    };
  }, [topology, boxes, shape, layout]);
  const isComplete = layout !== undefined && boxes.every(({ box }) => layout.made.places.has(box.space));
  return isComplete ? layout.made : undefined;
}
