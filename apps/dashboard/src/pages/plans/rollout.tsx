import { Alert, Card, Group, Progress, SimpleGrid, Stack, Text } from '@mantine/core';
import { Ago } from '../../parts/ago.js';
import { tones } from '../../shell/theme.js';
import type { Plan } from './node-plans.js';
import { NodeProgress } from './status.js';

const ended: ReadonlySet<string> = new Set(['updated', 'skipped']);

/** How far a rollout is, node by node; a live picture. */
export function Rollout({ rollout, status }: { readonly rollout: NonNullable<Plan['rollout']>; readonly status: string }) {
  const { nodes } = rollout;
  const share = (of: (state: string) => boolean): number => (nodes.length === 0 ? 0 : (100 * nodes.filter(({ state }) => of(state)).length) / nodes.length);
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Group justify="space-between">
          <Text fw={600} component="h2">
            Rollout
          </Text>
          <Text size="sm" c="dimmed" role="status" aria-live="polite">
            {nodes.filter(({ state }) => ended.has(state)).length} of {nodes.length} nodes
            {status === 'rolling' && rollout.nextBatchAt != null ? ', next batch soon' : ''}
          </Text>
        </Group>
        <Progress.Root size="lg" aria-label="Nodes that are updated">
          <Progress.Section value={share((state) => ended.has(state))} color={tones.good} />
          <Progress.Section value={share((state) => state === 'released' || state === 'applied')} color={tones.busy} striped animated />
          <Progress.Section value={share((state) => state === 'failed')} color={tones.bad} />
        </Progress.Root>
        {rollout.reason != null && (
          <Alert color={tones.warn} variant="light">
            {rollout.reason}
          </Alert>
        )}
        {status === 'confirming' && rollout.confirmBy != null && (
          <Alert color={tones.warn} variant="light" role="status">
            It is rolled back by itself unless it is confirmed by {new Date(rollout.confirmBy).toLocaleTimeString()}.
          </Alert>
        )}
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }} spacing="xs">
          {nodes.map(({ node, state, at, reason }) => (
            <Group key={node} gap="xs" wrap="nowrap" title={reason ?? undefined}>
              <NodeProgress state={state} />
              <Text size="sm" truncate>
                {node}
              </Text>
              {at != null && (
                <Text size="xs" c="dimmed">
                  <Ago at={at} />
                </Text>
              )}
            </Group>
          ))}
        </SimpleGrid>
      </Stack>
    </Card>
  );
}
