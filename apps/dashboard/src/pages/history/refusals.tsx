import { Table, Text } from '@mantine/core';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Answer } from '../../parts/page.js';

const RefusalsDocument = graphql(`
  query Refusals {
    refusals(limit: 200) {
      at
      actor
      from
      method
      path
      reason
    }
  }
`);

/** Who was turned away, from what, and why: of all clusters, for administrators of all. */
export function Refusals() {
  const live = useLive(RefusalsDocument, {});
  return (
    <Answer live={live}>
      {({ refusals }) =>
        refusals.length === 0 ? (
          <Text size="sm" c="dimmed">
            Nobody has been turned away.
          </Text>
        ) : (
          <Table.ScrollContainer minWidth={760}>
            <Table verticalSpacing={6} highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th w={120}>When</Table.Th>
                  <Table.Th>Who</Table.Th>
                  <Table.Th>From</Table.Th>
                  <Table.Th>Asked for</Table.Th>
                  <Table.Th>Why not</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {refusals.map(({ at, actor, from, method, path, reason }) => (
                  <Table.Tr key={`${at} ${from} ${method} ${path}`}>
                    <Table.Td>
                      <Ago at={at} />
                    </Table.Td>
                    <Table.Td>{actor ?? 'nobody known'}</Table.Td>
                    <Table.Td className="mono">{from}</Table.Td>
                    <Table.Td className="mono" style={{ wordBreak: 'break-all' }}>
                      {method} {path}
                    </Table.Td>
                    <Table.Td>{reason}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )
      }
    </Answer>
  );
}
