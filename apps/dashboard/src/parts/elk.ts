import type { ELK, ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';

let elk: Promise<ELK> | undefined;

/** Loaded when something is first drawn: it is larger than all the rest. */
async function loaded(): Promise<ELK> {
  elk ??= import('elkjs/lib/elk.bundled.js').then(({ default: Elk }) => new Elk());
  return elk;
}

export interface Graph extends ElkNode {
  readonly children: ElkNode[];
  readonly edges: ElkExtendedEdge[];
}

/** The graph with a place for everything in it. */
export async function layoutOf(graph: Graph): Promise<ElkNode> {
  return (await loaded()).layout(graph);
}
