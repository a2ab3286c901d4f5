import type { ResultOf } from '@graphql-typed-document-node/core';
import { Accordion, Group, Stack, Table, Text } from '@mantine/core';
import { useSearchParams } from 'react-router';
import type { PlanDocument } from './documents.js';
import { RiskBadge } from './status.js';

export type Plan = NonNullable<NonNullable<ResultOf<typeof PlanDocument>['cluster']>['changeset']>;

const signs = { create: '+', update: '~', replace: '±', delete: '−' } as const;

/** Object by object; which nodes are open is in the address. */
export function NodePlans({ nodes }: { readonly nodes: Plan['nodes'] }) {
  const [search, setSearch] = useSearchParams();
  const opened = search.getAll('node');
  if (nodes.length === 0) return <Text size="sm">Nothing changes in a kernel.</Text>;
  return (
    <Stack gap="xs">
      <Text fw={600} component="h2">
        What it does to the kernels
      </Text>
      <Accordion
        multiple
        variant="separated"
        value={opened}
        onChange={(next) => {
          const others = [...search].filter(([name]) => name !== 'node');
          setSearch(new URLSearchParams([...others, ...next.map((name): [string, string] => ['node', name])]), { replace: true });
        }}
      >
        {nodes.map(({ node, risk, steps, more }) => (
          <Accordion.Item key={node} value={node}>
            <Accordion.Control>
              <Group justify="space-between" pr="md">
                <Text fw={560}>{node}</Text>
                <Group gap="xs">
                  <Text size="sm" c="dimmed">
                    {steps.length + more} objects
                  </Text>
                  <RiskBadge risk={risk} />
                </Group>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              {opened.includes(node) && (
                <Table.ScrollContainer minWidth={760}>
                  <Table fz="sm" verticalSpacing={4}>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th w={90}>Step</Table.Th>
                        <Table.Th>Object</Table.Th>
                        <Table.Th>Because of</Table.Th>
                        <Table.Th>Reason</Table.Th>
                        <Table.Th w={150}>Risk</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {steps.map(({ action, key, origin, reason, risk: own }) => (
                        <Table.Tr key={`${action} ${key}`}>
                          <Table.Td>
                            <span className="mono">{signs[action]}</span> {action}
                          </Table.Td>
                          <Table.Td className="mono" style={{ wordBreak: 'break-all' }}>
                            {key}
                          </Table.Td>
                          <Table.Td>{origin}</Table.Td>
                          <Table.Td>{reason}</Table.Td>
                          <Table.Td>
                            <RiskBadge risk={own} />
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                  {more > 0 && (
                    <Text size="sm" c="dimmed" mt="xs">
                      and {more} more
                    </Text>
                  )}
                </Table.ScrollContainer>
              )}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  );
}
