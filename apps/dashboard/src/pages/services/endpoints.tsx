import type { ResultOf } from '@graphql-typed-document-node/core';
import { Anchor, Button, Group, Modal, Progress, Stack, Table, Text } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import { useMutation } from 'urql';
import { graphql } from '../../api/generated/index.js';
import { Ago } from '../../parts/ago.js';
import { Fault } from '../../parts/fault.js';
import { StateBadge } from '../../parts/state-badge.js';
import type { Tone } from '../../shell/theme.js';
import type { ServiceDocument } from './service-page.js';
import { countText, rateText, type Traffic } from './traffic.js';

type Endpoint = NonNullable<ResultOf<typeof ServiceDocument>['cluster']>['services'][number]['endpoints'][number];

const DrainDocument = graphql(`
  mutation Drain($cluster: String!, $name: String!, $remove: Boolean) {
    drainEndpoint(cluster: $cluster, name: $name, remove: $remove) {
      name
    }
  }
`);

interface EndpointsProps {
  readonly cluster: string;
  readonly endpoints: readonly Endpoint[];
  readonly revision: number;
  /** What was counted; undefined as long as that is not known. */
  readonly traffic: Traffic | undefined;
  refresh(): void;
}

/** The members of a service: where each is, how it is, its share of requests by weight and as counted, and the way out of service. */
export function ServiceEndpoints({ cluster, endpoints, revision, traffic, refresh }: EndpointsProps) {
  const [leaving, setLeaving] = useState<string>();
  const weights = endpoints.reduce((sum, { traffic, weight }) => sum + (traffic === 'all' ? weight : 0), 0);
  const counted = new Map(traffic?.backends.map((backend) => [backend.endpoint.name, backend]));
  return (
    <Stack gap="xs">
      <Group justify="space-between" align="baseline">
        <Text fw={600} component="h2">
          Endpoints
        </Text>
        {traffic !== undefined && <Whole traffic={traffic} />}
      </Group>
      <Table.ScrollContainer minWidth={980}>
        <Table verticalSpacing={6} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Endpoint</Table.Th>
              <Table.Th>Node</Table.Th>
              <Table.Th>Addresses</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>Weight</Table.Th>
              <Table.Th ta="right">Open now</Table.Th>
              <Table.Th ta="right">Requests</Table.Th>
              <Table.Th w={270}>Share of requests</Table.Th>
              <Table.Th w={190} />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {endpoints.map((endpoint) => {
              const { name, node, addresses, weight, traffic, drain } = endpoint;
              const share = traffic === 'all' && weights > 0 ? (100 * weight) / weights : 0;
              const { tone, word } = stateOf(endpoint);
              const backend = counted.get(name);
              return (
                <Table.Tr key={name}>
                  <Table.Td fw={560}>{name}</Table.Td>
                  <Table.Td>
                    <Anchor size="sm" component={Link} to={`/clusters/${encodeURIComponent(cluster)}/nodes/${encodeURIComponent(node.name)}`}>
                      {node.name}
                    </Anchor>
                    {node.status.appliedRevision < revision && (
                      <Text size="xs" c="dimmed">
                        {revision - node.status.appliedRevision} behind
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td className="mono">{addresses.map(({ address }) => address).join(', ')}</Table.Td>
                  <Table.Td>
                    <StateBadge tone={tone}>{word}</StateBadge>
                  </Table.Td>
                  <Table.Td>{weight}</Table.Td>
                  <Table.Td className="mono" ta="right">
                    {backend === undefined ? '–' : countText(backend.active)}
                  </Table.Td>
                  <Table.Td className="mono" ta="right">
                    {backend === undefined ? '–' : countText(backend.connections)}
                    {backend?.perSecond != null && (
                      <Text size="xs" c="dimmed">
                        {rateText(backend.perSecond)}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Share title="weight" value={share} label={`${share.toFixed(0)} % of new connections by weight`} isExpected />
                    <Share title="counted" value={backend?.share ?? 0} label={`${(backend?.share ?? 0).toFixed(0)} % of requests as counted`} />
                  </Table.Td>
                  <Table.Td>
                    {drain === null ? (
                      <Button size="compact-xs" variant="default" onClick={() => setLeaving(name)}>
                        Drain
                      </Button>
                    ) : (
                      <DrainProgress drain={drain} />
                    )}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <DrainQuestion cluster={cluster} name={leaving} onClose={() => setLeaving(undefined)} refresh={refresh} />
    </Stack>
  );
}

/** Of the whole service. */
function Whole({ traffic: { readAt, connections, perSecond, active } }: { readonly traffic: Traffic }) {
  if (readAt === null) {
    return (
      <Text size="sm" c="dimmed">
        No agent has counted requests yet.
      </Text>
    );
  }
  return (
    <Text size="sm" c="dimmed">
      {countText(connections)} requests{perSecond === null ? '' : `, ${rateText(perSecond)}`}, {countText(active)} open now, counted <Ago at={readAt} />
    </Text>
  );
}

interface ShareProps {
  readonly title: string;
  /** Percent. */
  readonly value: number;
  readonly label: string;
  /** It is what should be, beside what is. */
  readonly isExpected?: boolean;
}

function Share({ title, value, label, isExpected = false }: ShareProps) {
  return (
    <Group gap="xs" wrap="nowrap">
      <Text size="xs" c="dimmed" w={52}>
        {title}
      </Text>
      <Progress value={value} flex={1} aria-label={label} {...(isExpected ? { color: 'gray.5' } : {})} />
      <Text size="xs" className="mono" w={40} ta="right">
        {value.toFixed(0)} %
      </Text>
    </Group>
  );
}

function stateOf({ presence, health, traffic, drain }: Endpoint): { readonly tone: Tone; readonly word: string } {
  if (drain?.drained === true) return { tone: 'idle', word: 'drained: safe to stop' };
  if (drain !== null) return { tone: 'warn', word: 'draining' };
  if (presence === 'absent') return { tone: 'bad', word: 'its namespace is not there' };
  if (presence === 'unknown') return { tone: 'idle', word: 'not seen yet' };
  if (health === 'unhealthy') return { tone: 'bad', word: 'does not answer its probe' };
  return traffic === 'all' ? { tone: 'good', word: 'serves' } : { tone: 'warn', word: 'is sent nothing' };
}

function DrainProgress({ drain }: { readonly drain: NonNullable<Endpoint['drain']> }) {
  const all = drain.pending.length + drain.acknowledgedBy.length;
  return (
    <Stack gap={2}>
      <Progress value={all === 0 ? 100 : (100 * drain.acknowledgedBy.length) / all} aria-label="Nodes that send it nothing new" />
      <Text size="xs" c="dimmed">
        {drain.acknowledgedBy.length} of {all} nodes, {drain.connections ?? '?'} connections left
      </Text>
    </Stack>
  );
}

function DrainQuestion({
  cluster,
  name,
  onClose,
  refresh,
}: {
  readonly cluster: string;
  readonly name: string | undefined;
  readonly onClose: () => void;
  readonly refresh: () => void;
}) {
  const [{ error, fetching }, drain] = useMutation(DrainDocument);
  async function make(remove: boolean): Promise<void> {
    if (name === undefined) return;
    const { data } = await drain({ cluster, name, remove });
    if (data === undefined) return;
    refresh();
    onClose();
  }
  return (
    <Modal opened={name !== undefined} onClose={onClose} title={`Drain ${name ?? ''}`} centered>
      <Stack gap="sm">
        <Text size="sm">
          Its names go first, then its weight on every node; connections that it has may finish. This page tells when it is safe to stop it.
        </Text>
        {error !== undefined && <Fault error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => void make(true)} loading={fetching}>
            Drain and delete
          </Button>
          <Button onClick={() => void make(false)} loading={fetching} data-autofocus>
            Drain
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
