import type { ResultOf } from '@graphql-typed-document-node/core';
import { Alert, Card, Code, Group, SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core';
import { useParams, useSearchParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Answer, Page } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';
import type { Tone } from '../../shell/theme.js';
import { Findings } from './findings.js';

const DriftDocument = graphql(`
  query Drift($cluster: String!, $node: String, $outcome: DriftOutcome) {
    cluster(name: $cluster) {
      findings
      drift(node: $node, outcome: $outcome, limit: 200) {
        items {
          node
          key
          kind
          reason
          expected
          found
          since
          seenAt
          outcome
          endedAt
        }
      }
    }
  }
`);

type Event = NonNullable<ResultOf<typeof DriftDocument>['cluster']>['drift']['items'][number];

/** What was found in kernels that nobody wanted, and what became of it. */
export default function DriftPage() {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const outcome = search.get('outcome');
  const live = useLive(DriftDocument, {
    cluster,
    node: search.get('node'),
    outcome: outcome === 'open' || outcome === 'repaired' ? outcome : null,
  });
  return (
    <Page
      title="Drift"
      about="What others did to the kernels: seen within a second, told per object, and mended, or only told where the cluster's policy says so."
      actions={
        <SegmentedControl
          aria-label="Which"
          value={outcome ?? 'all'}
          onChange={(value) => setSearch(value === 'all' ? {} : { outcome: value }, { replace: true })}
          data={['all', 'open', 'repaired']}
        />
      }
    >
      <Answer live={live}>
        {({ cluster: shown }) => (
          <Stack gap="sm">
            <Findings findings={shown?.findings} />
            {shown?.drift.items.length === 0 && (
              <Alert color="teal" variant="light" title="Every kernel is as it was applied">
                Try it: delete a rule, a forwarding entry or an IPVS server of ours on a host. It appears here, and is mended.
              </Alert>
            )}
            {shown?.drift.items.map((event) => (
              <DriftCard key={`${event.node} ${event.key} ${event.since}`} event={event} />
            ))}
          </Stack>
        )}
      </Answer>
    </Page>
  );
}

const tones: Readonly<Record<string, Tone>> = { open: 'bad', repaired: 'good' };

function DriftCard({ event }: { readonly event: Event }) {
  const { node, key, kind, reason, expected, found, since, outcome, endedAt } = event;
  const milliseconds = endedAt == null ? null : Date.parse(endedAt) - Date.parse(since);
  return (
    <Card withBorder padding="sm" component="article" aria-label={`${kind} ${key} on ${node}`}>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Stack gap={2}>
          <Group gap="xs">
            <StateBadge tone={tones[outcome] ?? 'idle'}>
              {outcome === 'repaired' && milliseconds !== null ? `repaired after ${milliseconds} ms` : outcome}
            </StateBadge>
            <Text size="sm" fw={600}>
              {node}
            </Text>
            <Text size="sm">{kind}</Text>
          </Group>
          <Text className="mono" size="sm" style={{ wordBreak: 'break-all' }}>
            {key}
          </Text>
          <Text size="sm" c="dimmed">
            {reason}
          </Text>
        </Stack>
        <Text size="sm" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
          <Ago at={since} />
        </Text>
      </Group>
      {kind === 'different' && (
        <SimpleGrid cols={{ base: 1, sm: 2 }} mt="xs">
          <Side title="Expected" value={expected} />
          <Side title="Found" value={found} />
        </SimpleGrid>
      )}
    </Card>
  );
}

function Side({ title, value }: { readonly title: string; readonly value: unknown }) {
  return (
    <Stack gap={2}>
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      <Code block>{value == null ? 'only its hash is known' : JSON.stringify(value, null, 1)}</Code>
    </Stack>
  );
}
