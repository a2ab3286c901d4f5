import { Anchor, Button, Card, Group, Stack, Table, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { Link, useParams, useSearchParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Command } from '../../parts/command.js';
import { Answer, Page } from '../../parts/page.js';
import { PlansDocument } from './documents.js';
import { NewPlan } from './new-plan.js';
import { PlanStatus, RiskBadge, worstOf } from './status.js';

export default function PlansPage() {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const live = useLive(PlansDocument, { cluster });
  const isNew = search.has('new');
  return (
    <Page
      title="Plans"
      about="A change is looked at before it is made, node by node and object by object, and has a way back."
      actions={
        <Button leftSection={<IconPlus size={16} />} onClick={() => setSearch({ new: '' })} disabled={isNew}>
          Plan a change
        </Button>
      }
    >
      {isNew && <NewPlan cluster={cluster} onClose={() => setSearch({})} />}
      <Answer live={live}>
        {({ cluster: shown }) =>
          shown === null || shown === undefined || shown.changesets.length === 0 ? (
            <NoPlans />
          ) : (
            <Table.ScrollContainer minWidth={780}>
              <Table highlightOnHover verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Plan</Table.Th>
                    <Table.Th>Status</Table.Th>
                    <Table.Th>Changes</Table.Th>
                    <Table.Th>Nodes</Table.Th>
                    <Table.Th>Risk</Table.Th>
                    <Table.Th>Revisions</Table.Th>
                    <Table.Th>By</Table.Th>
                    <Table.Th>Made</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {shown.changesets.map((plan) => (
                    <Table.Tr key={plan.id}>
                      <Table.Td>
                        <Anchor component={Link} to={plan.id} fw={560} size="sm">
                          {plan.summary === '' ? plan.id : plan.summary}
                        </Anchor>
                      </Table.Td>
                      <Table.Td>
                        <PlanStatus status={plan.status} />
                      </Table.Td>
                      <Table.Td>{plan.changes.length}</Table.Td>
                      <Table.Td>{plan.nodes.length}</Table.Td>
                      <Table.Td>
                        <RiskBadge risk={worstOf(plan.nodes.map(({ risk }) => risk))} />
                      </Table.Td>
                      <Table.Td className="mono">
                        {plan.baseRevision} → {plan.revision ?? '…'}
                      </Table.Td>
                      <Table.Td>{plan.actor}</Table.Td>
                      <Table.Td>
                        <Ago at={plan.createdAt} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Answer>
    </Page>
  );
}

function NoPlans() {
  return (
    <Card withBorder maw={680}>
      <Stack gap="xs">
        <Text fw={600}>Nothing has been planned yet</Text>
        <Text size="sm">Plan a change here, or from a file:</Text>
        <Command>portolan plan -f change.yaml</Command>
        <Group gap={4}>
          <Text size="sm" c="dimmed">
            The plan appears here, and is applied from here or by
          </Text>
        </Group>
        <Command>portolan apply-plan PLAN --confirm-within 5m</Command>
      </Stack>
    </Card>
  );
}
