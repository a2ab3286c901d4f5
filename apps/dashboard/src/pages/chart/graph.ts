import type { Edge, Node } from '@xyflow/react';
import type { Tone } from '../../shell/theme.js';
import type { Group, Grouped } from './groups.js';
import type { Kind, Thing } from './things.js';

/** What a card of the chart says: of a thing, or of many of a kind. */
export type CardContent = Omit<Thing, 'id' | 'lot'> & {
  /** Of a group: one for each of its members. */
  readonly cells: readonly { readonly name: string; readonly tone: Tone }[];
};

export type Card = Node<CardContent, 'card'>;

export interface Graph {
  /** There is too much of it for a path through it to be followed by eye: cards stand in grids. */
  readonly isCrowded: boolean;
  readonly cards: readonly Card[];
  readonly edges: readonly Edge[];
}

/** What the chart begins with. */
export const pivots = ['service', 'node', 'network'] as const;
export type Pivot = (typeof pivots)[number];

/** From left to right; kinds of one column stand below each other, unless something joins them. */
const columns: Readonly<Record<Pivot, Readonly<Record<Kind, number>>>> = {
  service: { port: 0, service: 1, network: 2, subnet: 2, host: 2 },
  node: { host: 0, subnet: 1, service: 1, network: 2, port: 2 },
  network: { network: 0, subnet: 1, service: 1, host: 2, port: 2 },
};

export function columnOf(pivot: Pivot, kind: Kind): number {
  return columns[pivot][kind];
}

/** Pixels. */
const sizes: Readonly<Record<Kind, { readonly width: number; readonly height: number }>> = {
  host: { width: 230, height: 66 },
  network: { width: 250, height: 84 },
  service: { width: 300, height: 84 },
  subnet: { width: 210, height: 66 },
  port: { width: 150, height: 62 },
};
const LINE_HEIGHT = 20;
export const CELLS_IN_ROW = 20;
const CELL_HEIGHT = 11;
const GROUP_WIDTH = 220;
const GROUP_HEAD = 78;

/** Cards and what joins them, each from the column that is further left. */
export function graphOf({ things, groups, joints }: Grouped, pivot: Pivot): Graph {
  const cards = [...things.map(cardOf), ...groups.map(groupCardOf)];
  const places = new Map(cards.map(({ id, data: { kind } }) => [id, columnOf(pivot, kind)]));
  const edges = joints.flatMap(({ from, to, count }): Edge[] => {
    const [a, b] = [places.get(from), places.get(to)];
    if (a === undefined || b === undefined) return [];
    const [source, target] = a <= b ? [from, to] : [to, from];
    return [{ id: `${source} ${target}`, source, target, ...(count > 1 && { label: `${count} endpoints` }) }];
  });
  const isCrowded = groups.length > 0 || cards.length > MOST_CARDS;
  return { isCrowded, cards, edges: isCrowded ? edges.map(({ label: _label, ...edge }) => edge) : edges };
}
const MOST_CARDS = 80;

function cardOf({ id, lot: _lot, ...content }: Thing): Card {
  const { width, height } = sizes[content.kind];
  const usual = content.kind === 'service' || content.kind === 'network' ? 2 : 1;
  const further = Math.max(0, content.lines.length - usual) * LINE_HEIGHT;
  return { id, type: 'card', position: { x: 0, y: 0 }, data: { ...content, cells: [] }, width, height: height + further };
}

function wordOf([first, ...others]: readonly Thing[], ailing: number): string {
  if (ailing > 0) return `${ailing} ailing`;
  if (first !== undefined && others.every(({ word }) => word === first.word)) return first.word;
  return others.some(({ tone }) => tone === 'busy') || first?.tone === 'busy' ? 'on their way' : 'all well';
}

function groupCardOf({ id, kind, lot, members }: Group): Card {
  const cells = members.map(({ title, tone }) => ({ name: title, tone }));
  const ailing = cells.filter(({ tone }) => tone === 'bad' || tone === 'warn').length;
  const tone: Tone = ailing > 0 ? 'bad' : cells.some((own) => own.tone === 'busy') ? 'busy' : cells.every((own) => own.tone === 'idle') ? 'idle' : 'good';
  const title = lot === '' ? `${members[0]?.title} to ${members.at(-1)?.title}` : `${kind}s of ${lot}`;
  const content: CardContent = {
    ...{ kind, title, lines: [`${members.length} ${kind}s`], tone, page: null, cells },
    word: wordOf(members, ailing),
  };
  const height = GROUP_HEAD + Math.ceil(cells.length / CELLS_IN_ROW) * CELL_HEIGHT;
  return { id, type: 'card', position: { x: 0, y: 0 }, data: content, width: GROUP_WIDTH, height };
}
