import { describe, expect, it } from 'vitest';
import { renderTable } from '../src/table.js';
import { screen } from './screen.js';

const rows = [
  { name: 'a', count: 7, long: 'x'.repeat(60) },
  { name: 'longer', count: 1234, long: 'short' },
];
const columns = [
  { title: 'NAME', value: (row: (typeof rows)[number]) => row.name, style: () => 'red' as const },
  { title: 'COUNT', value: (row: (typeof rows)[number]) => row.count, align: 'right' as const },
  { title: 'LONG', value: (row: (typeof rows)[number]) => row.long },
  { title: 'NONE', value: () => undefined },
];

describe('a table', () => {
  it('is aligned, without lines, without trailing space', () => {
    expect(renderTable(screen(), columns, rows)).toBe(
      [`NAME    COUNT  LONG${' '.repeat(58)}NONE`, `a           7  ${'x'.repeat(60)}  -`, `longer   1234  short${' '.repeat(57)}-`, ''].join('\n'),
    );
  });

  it('wraps the widest column on a narrow screen and loses nothing', () => {
    const text = renderTable(screen({ columns: 50 }), columns, rows);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(text.match(/x/g)).toHaveLength(60);
    expect(text).toContain('longer');
  });

  it('has colours only where they are wanted', () => {
    const csi = String.fromCharCode(27);
    expect(renderTable(screen(), columns, rows)).not.toContain(csi);
    expect(renderTable(screen({ color: true }), columns, rows)).toContain(`${csi}[31ma${csi}[39m`);
    const [heading = '', ...others] = renderTable(screen({ color: true }), columns, rows)
      .trimEnd()
      .split('\n');
    expect(heading).toContain(`${csi}[1mCOUNT${csi}[22m`);
    expect(others).toHaveLength(rows.length);
  });

  it('shows a thousand rows at once', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ name: `n${index}`, count: index, long: 'l' }));
    expect(renderTable(screen(), columns, many).trimEnd().split('\n')).toHaveLength(1001);
  });
});
