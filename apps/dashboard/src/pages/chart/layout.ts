import type { ELK } from 'elkjs/lib/elk-api.js';
import type { Card, Graph } from './graph.js';

let elk: Promise<ELK> | undefined;

/** Loaded when a chart is first drawn: it is larger than all the rest. */
async function loaded(): Promise<ELK> {
  elk ??= import('elkjs/lib/elk.bundled.js').then(({ default: Elk }) => new Elk());
  return elk;
}

/** What a layout depends on. */
export interface Shape {
  readonly cards: readonly { readonly id: string; readonly width: number; readonly height: number }[];
  readonly edges: readonly { readonly id: string; readonly source: string; readonly target: string }[];
}

export function shapeOf({ cards, edges }: Graph): Shape {
  return {
    cards: cards.map(({ id, width = 0, height = 0 }) => ({ id, width, height })),
    edges: edges.map(({ id, source, target }) => ({ id, source, target })),
  };
}

/** Where each card is, by id: in layers from left to right, ports, services, then networks and hosts. */
export async function placesOf({ cards, edges }: Shape): Promise<ReadonlyMap<string, Card['position']>> {
  const { children = [] } = await (await loaded()).layout({
    id: 'chart',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.layered.spacing.nodeNodeBetweenLayers': '110',
      'elk.spacing.nodeNode': '26',
      'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
    },
    children: [...cards],
    edges: edges.map(({ id, source, target }) => ({ id, sources: [source], targets: [target] })),
  });
  return new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }]));
}
