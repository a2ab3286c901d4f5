import { Table, Text } from '@mantine/core';
import type { Headers, ShownHop } from './documents.js';

const fields: readonly (readonly [title: string, value: (headers: Headers) => string])[] = [
  ['Source', ({ source, sourcePort }) => endOf(source, sourcePort)],
  ['Destination', ({ destination, destinationPort }) => endOf(destination, destinationPort)],
  ['Protocol', ({ transport }) => transport],
  ['TTL', ({ ttl }) => String(ttl)],
  ['Mark', ({ mark }) => (mark === 0 ? '' : `0x${mark.toString(16)} = ${mark}`)],
  ['Bytes', ({ size, df }) => `${size}${df ? '' : ', in pieces'}`],
  ['In UDP', ({ outer }) => (outer === null ? '' : `${outer.source} → ${outer.destination}:${outer.port}${outer.vni === null ? '' : `, VNI ${outer.vni}`}`)],
];

function endOf(address: string, port: number | null): string {
  return port === null ? address : `${address}:${port}`;
}

/** The headers after a hop, a row for each walk; what the hop changed stands out, with what it was. */
export function PacketTable({ rows }: { readonly rows: readonly { readonly title: string | undefined; readonly hop: ShownHop }[] }) {
  const isTitled = rows.some(({ title }) => title !== undefined);
  return (
    <Table.ScrollContainer minWidth={680}>
      <Table fz="sm" verticalSpacing={4} mt="xs" withColumnBorders>
        <Table.Thead>
          <Table.Tr>
            {isTitled && <Table.Th />}
            {fields.map(([title]) => (
              <Table.Th key={title}>{title}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ title, hop: { before, after } }) => (
            <Table.Tr key={title ?? ''}>
              {isTitled && <Table.Th scope="row">{title}</Table.Th>}
              {fields.map(([name, value]) => (
                <Table.Td key={name} className="mono">
                  <Change was={value(before)} is={value(after)} />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Change({ was, is }: { readonly was: string; readonly is: string }) {
  if (was === is) return is;
  return (
    <>
      <Text span inherit td="line-through" c="dimmed">
        {was}
      </Text>{' '}
      <strong>{is === '' ? 'none' : is}</strong>
    </>
  );
}
