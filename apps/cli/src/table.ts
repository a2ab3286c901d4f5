import CliTable from 'cli-table3';
import { type Style, styled, type Terminal } from './terminal.js';

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number | undefined;
  readonly align?: 'right';
  /** Colour of the cell on a screen. */
  readonly style?: (row: T) => 'green' | 'yellow' | 'red' | 'dim' | undefined;
}

const GAP = 2;
const NARROWEST = 8;
/** cli-table3 takes quadratic time in the rows of one table; the widths are given, so parts of a table fit together. */
const ROWS_AT_ONCE = 100;
const noLines = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((part) => [part, '']),
);

/** Rows under headings, aligned, without lines. On a screen that is too narrow the widest columns wrap; in a pipe nothing does. */
export function renderTable<T>(terminal: Terminal, columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = rows.map((row) => columns.map((column) => String(column.value(row) ?? '-')));
  const widths = fitWidths(
    columns.map(({ title }, index) => cells.reduce((widest, line) => Math.max(widest, line[index]?.length ?? 0), title.length) + GAP),
    terminal.columns,
  );
  // Wrapped here, as the table's own wrapping counts and breaks the codes of colours.
  const wrapped = (words: string, at: number, style: Style | undefined): string =>
    partsOf(words, (widths[at] ?? words.length) - GAP)
      .map((part) => (style === undefined ? part : styled(terminal, style, part)))
      .join('\n');
  const lines = [
    columns.map(({ title }, at) => wrapped(title, at, 'bold')),
    ...rows.map((row, index) => columns.map((column, at) => wrapped(cells[index]?.[at] ?? '', at, column.style?.(row)))),
  ];
  const parts: string[] = [];
  for (let start = 0; start < lines.length; start += ROWS_AT_ONCE) {
    const table = new CliTable({
      chars: noLines,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
      colWidths: widths,
      colAligns: columns.map(({ align }) => align ?? 'left'),
    });
    table.push(...lines.slice(start, start + ROWS_AT_ONCE));
    parts.push(`${trimLines(table.toString())}\n`);
  }
  return parts.join('');
}

/** `NAME  value` pairs, one a line. */
export function renderPairs(terminal: Terminal, pairs: readonly (readonly [string, string | number | undefined])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${styled(terminal, 'bold', `${name}:`.padEnd(width + 1))}  ${value ?? '-'}\n`).join('');
}

/** Takes columns from the widest first, never below NARROWEST, until the table fits. */
function fitWidths(natural: readonly number[], available: number | undefined): number[] {
  const widths = [...natural];
  if (available === undefined) return widths;
  let excess = widths.reduce((sum, width) => sum + width, 0) - GAP - available;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= NARROWEST) break;
    widths[widest] = width - 1;
    excess -= 1;
  }
  return widths;
}

/** The text in parts of at most so many characters; a line break of its own begins a part. */
function partsOf(words: string, length: number): readonly string[] {
  return words.split('\n').flatMap((line) => {
    const parts: string[] = [];
    for (let start = 0; start === 0 || start < line.length; start += length) parts.push(line.slice(start, start + length));
    return parts;
  });
}

function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
