import { type Graph, layoutOf } from '../../../parts/elk.js';
import type { PlacedBox } from './geometry.js';
import { levels, type Topology } from './topology.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly places: ReadonlyMap<string, Point>;
  /** Corners of each line, from device to device, by the line's id. */
  readonly paths: ReadonlyMap<string, readonly Point[]>;
}

const portId = (space: string, device: string): string => `${space}|${device}`;

/** What the layout of a drawing depends on: sizes, ports and lines, and nothing that is only written. */
export function graphOf({ lines }: Pick<Topology, 'lines'>, boxes: readonly PlacedBox[]): Graph {
  const ports = new Set(boxes.flatMap((own) => own.ports.map(({ device }) => portId(own.box.space, device))));
  return {
    id: 'node',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'DOWN',
      'elk.edgeRouting': 'ORTHOGONAL',
      'elk.partitioning.activate': 'true',
      'elk.separateConnectedComponents': 'false',
      'elk.layered.considerModelOrder.strategy': 'PREFER_NODES',
      'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
      'elk.layered.spacing.nodeNodeBetweenLayers': '30',
      'elk.layered.spacing.edgeNodeBetweenLayers': '16',
      'elk.layered.spacing.edgeEdgeBetweenLayers': '10',
      'elk.spacing.nodeNode': '24',
      'elk.spacing.edgeNode': '16',
      'elk.spacing.edgeEdge': '12',
    },
    children: boxes.map(({ box, width, height, ports: own }) => ({
      id: box.space,
      width,
      height,
      layoutOptions: { 'elk.partitioning.partition': String(levels.indexOf(box.level)), 'elk.portConstraints': 'FIXED_POS' },
      ports: own.map(({ device, side, x }) => ({
        ...{ id: portId(box.space, device), x, y: side === 'top' ? 0 : height, width: 0, height: 0 },
        layoutOptions: { 'elk.port.side': side === 'top' ? 'NORTH' : 'SOUTH' },
      })),
    })),
    // A VTEP of the host itself and its underlay are joined inside of the box.
    edges: lines
      .filter(({ from, to }) => from.space !== to.space)
      .map(({ id, from, to }) => ({ id, sources: [portId(from.space, from.device)], targets: [portId(to.space, to.device)] }))
      .filter(({ sources, targets }) => [...sources, ...targets].every((port) => ports.has(port))),
  };
}

/** Where each namespace is, and the corners of the lines between their devices. */
export async function placed({ lines }: Pick<Topology, 'lines'>, boxes: readonly PlacedBox[]): Promise<Layout> {
  const { children = [], edges = [] } = await layoutOf(graphOf({ lines }, boxes));
  const depths = new Map(boxes.flatMap(({ box, ports }) => ports.map(({ device, depth }) => [portId(box.space, device), depth])));
  const paths = edges.flatMap(({ id, sources: [source = ''], targets: [target = ''], sections: [section] = [] }): [string, readonly Point[]][] => {
    if (section === undefined) return [];
    const { startPoint, bendPoints = [], endPoint } = section;
    const start = { x: startPoint.x, y: startPoint.y - (depths.get(source) ?? 0) };
    const end = { x: endPoint.x, y: endPoint.y + (depths.get(target) ?? 0) };
    return [[id, [start, ...bendPoints, end]]];
  });
  return { places: new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }])), paths: new Map(paths) };
}

/** Pixels. */
const CORNER = 7;

/** A path of SVG with round corners. */
export function pathOf([first, ...rest]: readonly Point[]): string {
  if (first === undefined) return '';
  let held = first;
  const parts = [`M${first.x},${first.y}`];
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (next === undefined) {
      parts.push(`L${point.x},${point.y}`);
      return;
    }
    const before = towards(point, held);
    const after = towards(point, next);
    parts.push(`L${before.x},${before.y}`, `Q${point.x},${point.y} ${after.x},${after.y}`);
    held = point;
  });
  return parts.join(' ');
}

/** A point that is a corner's radius away from `from`, at most half of the way to `to`. */
function towards(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length === 0) return from;
  const part = Math.min(CORNER / length, 0.5);
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}
