import type { ELK } from 'elkjs/lib/elk-api.js';
import type { Card, Graph } from './graph.js';

let elk: Promise<ELK> | undefined;

/** Loaded when a chart is first drawn: it is larger than all the rest. */
async function loaded(): Promise<ELK> {
  elk ??= import('elkjs/lib/elk.bundled.js').then(({ default: Elk }) => new Elk());
  return elk;
}

/** In layers from left to right: ports, services, networks and hosts. */
export async function laidOut({ cards, edges }: Graph): Promise<readonly Card[]> {
  const { children = [] } = await (await loaded()).layout({
    id: 'chart',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.layered.spacing.nodeNodeBetweenLayers': '110',
      'elk.spacing.nodeNode': '26',
      'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
    },
    children: cards.map(({ id, width = 0, height = 0 }) => ({ id, width, height })),
    edges: edges.map(({ id, source, target }) => ({ id, sources: [source], targets: [target] })),
  });
  const places = new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }]));
  return cards.map((card) => ({ ...card, position: places.get(card.id) ?? card.position }));
}
