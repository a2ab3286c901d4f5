import { Card, Code, Group, Stack, Table, Text } from '@mantine/core';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Answer } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';

const DifferenceDocument = graphql(`
  query Difference($cluster: String!, $from: Int!, $to: Int!) {
    cluster(name: $cluster) {
      difference(from: $from, to: $to) {
        objects {
          action
          kind
          name
          fields {
            path
            before
            after
          }
        }
      }
    }
  }
`);

const toneOf = { create: 'good', change: 'busy', delete: 'bad' } as const;

/** What is wanted otherwise at one revision than at another, field by field. */
export function Difference({ cluster, from, to }: { readonly cluster: string; readonly from: number; readonly to: number }) {
  const live = useLive(DifferenceDocument, { cluster, from, to });
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Text fw={600} component="h2">
          Revision {from} → {to}
        </Text>
        <Answer live={live}>
          {(data) => {
            const objects = data.cluster?.difference?.objects ?? [];
            if (objects.length === 0) return <Text size="sm">Nothing is wanted otherwise.</Text>;
            return objects.map(({ action, kind, name, fields }) => (
              <Stack key={`${kind} ${name}`} gap={4}>
                <Group gap="xs">
                  <StateBadge tone={toneOf[action]}>{action}</StateBadge>
                  <Text size="sm" fw={560}>
                    {kind} {name}
                  </Text>
                </Group>
                {action === 'change' && (
                  <Table fz="sm" verticalSpacing={3}>
                    <Table.Tbody>
                      {fields.map(({ path, before, after }) => (
                        <Table.Tr key={path}>
                          <Table.Td className="mono" w="30%">
                            {path}
                          </Table.Td>
                          <Table.Td>
                            <Code>{before == null ? '—' : JSON.stringify(before)}</Code>
                          </Table.Td>
                          <Table.Td>
                            <Code>{after == null ? '—' : JSON.stringify(after)}</Code>
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                )}
              </Stack>
            ));
          }}
        </Answer>
      </Stack>
    </Card>
  );
}
