import { Group, ScrollArea, Table, Text, TextInput, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconSearch } from '@tabler/icons-react';
import { type ColumnDef, flexRender, getCoreRowModel, getFilteredRowModel, getSortedRowModel, type SortingState, useReactTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useMemo, useRef } from 'react';
import { useSearchParams } from 'react-router';
import { withChanges } from './search-params.js';

const ROW_HEIGHT = 40;

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  /** What it is sorted and searched by. */
  readonly value: (row: Row) => string | number;
  /** What is seen; the value unless given. */
  readonly cell?: (row: Row) => ReactNode;
}

export interface DataTableProps<Row> {
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  /** What is written where there is no row. */
  readonly empty: string;
  /** Words of the search field. */
  readonly search: string;
  /** Pixels; longer tables scroll, and only what is seen is in the page. */
  readonly height?: number;
}

/** A table of any length; order and search are in the address (`sort`, `q`). */
export function DataTable<Row>({ rows, columns, keyOf, empty, search, height = 620 }: DataTableProps<Row>) {
  const [params, setParams] = useSearchParams();
  const set = (name: string, value: string): void => {
    setParams((held) => withChanges(held, { [name]: value }), { replace: true });
  };
  const sort = params.get('sort') ?? '';
  // The same array for the same order: with a new one the table would sort, and be drawn, without end.
  const sorting = useMemo((): SortingState => (sort === '' ? [] : [{ id: sort.replace(/^-/, ''), desc: sort.startsWith('-') }]), [sort]);
  const definitions = useMemo(
    () =>
      columns.map(
        ({ id, title, value, cell }): ColumnDef<Row, string | number> => ({
          id,
          header: title,
          accessorFn: value,
          cell: ({ row, getValue }) => (cell === undefined ? getValue() : cell(row.original)),
        }),
      ),
    [columns],
  );
  const data = useMemo(() => [...rows], [rows]);
  const table = useReactTable({
    data,
    columns: definitions,
    state: { sorting, globalFilter: params.get('q') ?? '' },
    globalFilterFn: 'includesString',
    autoResetAll: false,
    getRowId: keyOf,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getFilteredRowModel: getFilteredRowModel(),
  });
  const shown = table.getRowModel().rows;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_HEIGHT, overscan: 12 });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <>
      <Group gap="sm">
        <TextInput
          aria-label={search}
          placeholder={search}
          leftSection={<IconSearch size={16} />}
          value={params.get('q') ?? ''}
          onChange={(event) => set('q', event.currentTarget.value)}
          w={420}
          maw="100%"
        />
        <Text size="xs" c="dimmed" role="status">
          {shown.length === rows.length ? rows.length : `${shown.length} of ${rows.length}`}
        </Text>
      </Group>
      <ScrollArea.Autosize mah={height} viewportRef={scroller} type="auto">
        <Table highlightOnHover stickyHeader verticalSpacing={6} miw={720} aria-rowcount={shown.length + 1}>
          <Table.Thead>
            <Table.Tr>
              {table.getFlatHeaders().map(({ id, column }) => {
                const order = sort === id ? 'ascending' : sort === `-${id}` ? 'descending' : 'none';
                return (
                  <Table.Th key={id} aria-sort={order}>
                    {column.getCanSort() ? (
                      <UnstyledButton fw={600} fz="sm" onClick={() => set('sort', order === 'ascending' ? `-${id}` : order === 'descending' ? '' : id)}>
                        {String(column.columnDef.header)} {order === 'ascending' && <IconArrowUp size={12} />}
                        {order === 'descending' && <IconArrowDown size={12} />}
                      </UnstyledButton>
                    ) : (
                      String(column.columnDef.header)
                    )}
                  </Table.Th>
                );
              })}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {before > 0 && <tr style={{ height: before }} aria-hidden />}
            {items.map(({ index }) => {
              const row = shown[index];
              return row === undefined ? null : (
                <Table.Tr key={row.id} aria-rowindex={index + 2}>
                  {row.getVisibleCells().map(({ id, column, getContext }) => (
                    <Table.Td key={id}>{flexRender(column.columnDef.cell, getContext())}</Table.Td>
                  ))}
                </Table.Tr>
              );
            })}
            {after > 0 && <tr style={{ height: after }} aria-hidden />}
          </Table.Tbody>
        </Table>
        {shown.length === 0 && (
          <Text size="sm" c="dimmed" py="md">
            {empty}
          </Text>
        )}
      </ScrollArea.Autosize>
    </>
  );
}
