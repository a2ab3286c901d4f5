import type { Edge, Node } from '@xyflow/react';
import type { Tone } from '../../shell/theme.js';
import { nodeHealth } from '../nodes/health.js';
import type { Cluster } from './documents.js';

/** What a card of the chart says. */
export type CardContent = {
  readonly kind: 'host' | 'hosts' | 'network' | 'service' | 'port';
  readonly title: string;
  readonly lines: readonly string[];
  readonly tone: Tone;
  readonly word: string;
  /** Page of it below the cluster's, if it has one. */
  readonly page: string | null;
  /** Of a group of hosts: one for each. */
  readonly cells: readonly { readonly name: string; readonly tone: Tone }[];
};

export type Card = Node<CardContent, 'card'>;

/** From so many hosts on they are drawn as groups. */
const MOST_HOSTS = 40;
const GROUP_SIZE = 100;

export interface Graph {
  readonly cards: readonly Card[];
  readonly edges: readonly Edge[];
}

const sizes: Readonly<Record<CardContent['kind'], { readonly width: number; readonly height: number }>> = {
  host: { width: 230, height: 66 },
  hosts: { width: 260, height: 190 },
  network: { width: 250, height: 84 },
  service: { width: 300, height: 84 },
  port: { width: 150, height: 62 },
};

/** Pixels. */
const LINE_HEIGHT = 20;

function card(id: string, content: CardContent): Card {
  const { width, height } = sizes[content.kind];
  const further = content.cells.length > 0 ? 0 : Math.max(0, content.lines.length - (content.kind === 'host' || content.kind === 'port' ? 1 : 2));
  return { id, type: 'card', position: { x: 0, y: 0 }, data: content, width, height: height + further * LINE_HEIGHT };
}

/**
 * The cluster as cards and what joins them: published ports lead to services, services are on networks and have endpoints on hosts.
 * `about`: only this card and what it is joined to; everything unless given.
 */
export function graphOf(cluster: Cluster, about: string | null): Graph {
  const hosts = hostCards(cluster);
  const homeOf = new Map(hosts.flatMap(({ card: own, names }) => names.map((name): [string, string] => [name, own.id])));
  const cards: Card[] = hosts.map(({ card: own }) => own);
  const edges: Edge[] = [];
  const join = (source: string, target: string, label?: string): void => {
    edges.push({ id: `${source} ${target}`, source, target, ...(label === undefined ? {} : { label }) });
  };
  for (const { name, vni, subnet, ingress } of cluster.networks) {
    const lines = [`VNI ${vni}`, subnet];
    cards.push(
      card(`network:${name}`, { kind: 'network', title: name, lines, tone: 'busy', word: ingress ? 'routing mesh' : 'overlay', page: null, cells: [] }),
    );
  }
  for (const service of cluster.services) {
    const id = `service:${service.name}`;
    cards.push(serviceCard(id, service));
    for (const { published, target, protocol } of service.ports) {
      const port = `port:${protocol}/${published}`;
      const lines = [`→ ${target}/${protocol}`];
      cards.push(card(port, { kind: 'port', title: `:${published}`, lines, tone: 'busy', word: 'every node', page: null, cells: [] }));
      join(port, id);
    }
    for (const { network } of service.networks) if (!network.name.startsWith('ingress')) join(id, `network:${network.name}`);
    const counts = new Map<string, number>();
    for (const { node } of service.endpoints) {
      const home = homeOf.get(node.name);
      if (home !== undefined) counts.set(home, (counts.get(home) ?? 0) + 1);
    }
    for (const [home, count] of counts) join(id, home, count > 1 ? `${count} endpoints` : undefined);
  }
  return about === null ? { cards, edges } : around({ cards, edges }, about);
}

function around({ cards, edges }: Graph, about: string): Graph {
  const kept = edges.filter(({ source, target }) => source === about || target === about);
  const names = new Set([about, ...kept.flatMap(({ source, target }) => [source, target])]);
  return { cards: cards.filter(({ id }) => names.has(id)), edges: kept };
}

interface HostCard {
  readonly card: Card;
  /** Hosts that it stands for. */
  readonly names: readonly string[];
}

function hostCards({ nodes, revision }: Cluster): readonly HostCard[] {
  if (nodes.length <= MOST_HOSTS) {
    return nodes.map((node) => {
      const { tone, word } = nodeHealth(node, revision);
      const lines = [node.address, ...(node.flannelLease?.subnet == null ? [] : [`flannel ${node.flannelLease.subnet}`])];
      return {
        card: card(`node:${node.name}`, { kind: 'host', title: node.name, lines, tone, word, page: `nodes/${encodeURIComponent(node.name)}`, cells: [] }),
        names: [node.name],
      };
    });
  }
  return Array.from({ length: Math.ceil(nodes.length / GROUP_SIZE) }, (_, group): HostCard => {
    const members = nodes.slice(group * GROUP_SIZE, (group + 1) * GROUP_SIZE);
    const cells = members.map((node) => ({ name: node.name, tone: nodeHealth(node, revision).tone }));
    const ailing = cells.filter(({ tone }) => tone === 'bad' || tone === 'warn').length;
    const title = `${members[0]?.name} to ${members.at(-1)?.name}`;
    const content: CardContent = {
      ...{ kind: 'hosts', title, lines: [`${members.length} hosts`], cells, page: `nodes?q=` },
      tone: ailing > 0 ? 'bad' : cells.some(({ tone }) => tone === 'busy') ? 'busy' : 'good',
      word: ailing > 0 ? `${ailing} ailing` : 'all well',
    };
    return { card: card(`hosts:${group}`, content), names: members.map(({ name }) => name) };
  });
}

function serviceCard(id: string, { name, networks, endpoints }: Cluster['services'][number]): Card {
  const serving = endpoints.filter(({ traffic }) => traffic === 'all').length;
  const lines = networks.flatMap(({ vip, mark, network }) => (vip === null ? [] : [`${vip}${mark === null ? '' : ` · mark ${mark}`} · ${network.name}`]));
  const tone: Tone = endpoints.length === 0 ? 'idle' : serving === 0 ? 'bad' : serving < endpoints.length ? 'warn' : 'good';
  return card(id, {
    kind: 'service',
    title: name,
    lines,
    tone,
    word: `${serving} of ${endpoints.length} serve`,
    page: `services/${encodeURIComponent(name)}`,
    cells: [],
  });
}
