import { layoutOf } from '../../parts/elk.js';
import { type Card, columnOf, type Graph, type Pivot } from './graph.js';
import type { Kind } from './things.js';

/** What a layout depends on. */
export interface Shape {
  readonly isCrowded: boolean;
  readonly cards: readonly { readonly id: string; readonly width: number; readonly height: number; readonly kind: Kind; readonly column: number }[];
  readonly edges: readonly { readonly id: string; readonly source: string; readonly target: string }[];
}

export function shapeOf({ isCrowded, cards, edges }: Graph, pivot: Pivot): Shape {
  return {
    isCrowded,
    cards: cards.map(({ id, width = 0, height = 0, data: { kind } }) => ({ id, width, height, kind, column: columnOf(pivot, kind) })),
    edges: edges.map(({ id, source, target }) => ({ id, source, target })),
  };
}

export type Places = ReadonlyMap<string, Card['position']>;

/** Where each card is, by id: in columns from left to right. */
export async function placesOf(shape: Shape): Promise<Places> {
  return shape.isCrowded ? inGrids(shape) : inLayers(shape);
}

async function inLayers({ cards, edges }: Shape): Promise<Places> {
  const { children = [] } = await layoutOf({
    id: 'chart',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.partitioning.activate': 'true',
      'elk.layered.spacing.nodeNodeBetweenLayers': '110',
      'elk.spacing.nodeNode': '26',
      'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
    },
    children: cards.map(({ column, kind: _kind, ...card }) => ({ ...card, layoutOptions: { 'elk.partitioning.partition': String(column) } })),
    edges: edges.map(({ id, source, target }) => ({ id, sources: [source], targets: [target] })),
  });
  return new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }]));
}

/** Pixels between cards, and between grids. */
const GAP = 18;
const AISLE = 90;
const LEAST_ROWS = 6;

/** A grid for each kind, its cards in their order from top to bottom. */
function inGrids({ cards }: Shape): Places {
  const places = new Map<string, Card['position']>();
  let left = 0;
  for (const kind of new Set(cards.toSorted((a, b) => a.column - b.column).map((own) => own.kind))) {
    const own = cards.filter((card) => card.kind === kind);
    const rows = Math.max(LEAST_ROWS, Math.ceil(Math.sqrt(own.length)));
    for (let first = 0; first < own.length; first += rows) {
      const stack = own.slice(first, first + rows);
      let top = 0;
      for (const { id, height } of stack) {
        places.set(id, { x: left, y: top });
        top += height + GAP;
      }
      left += Math.max(...stack.map(({ width }) => width)) + GAP;
    }
    left += AISLE;
  }
  return places;
}
