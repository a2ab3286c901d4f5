import type { ResultOf } from '@graphql-typed-document-node/core';
import { Anchor, Card, Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import { Link, useParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Command } from '../../parts/command.js';
import { Answer, Page } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';
import { type Column, DataTable } from '../../parts/table.js';
import { nodeHealth } from './health.js';

const NodesDocument = graphql(`
  query Nodes($cluster: String!) {
    cluster(name: $cluster) {
      revision
      nodes {
        name
        address
        role
        availability
        condition
        endpoints {
          id
        }
        status {
          alive
          appliedRevision
          generation
          lastReportAt
          degraded {
            since
          }
        }
      }
    }
  }
`);

type Node = NonNullable<ResultOf<typeof NodesDocument>['cluster']>['nodes'][number];

export default function NodesPage() {
  const { cluster = '' } = useParams();
  const live = useLive(NodesDocument, { cluster });
  const revision = live.data?.cluster?.revision ?? 0;
  const columns = useMemo(() => columnsOf(revision), [revision]);
  return (
    <Page title="Nodes" about={`Hosts of the cluster, and how far each has come of revision ${revision}.`}>
      <Answer live={live}>
        {({ cluster: shown }) =>
          shown == null || shown.nodes.length === 0 ? (
            <NoNodes />
          ) : (
            <DataTable rows={shown.nodes} columns={columns} keyOf={({ name }) => name} search="Find a node" empty="No node is like that." />
          )
        }
      </Answer>
    </Page>
  );
}

function NoNodes() {
  return (
    <Card withBorder maw={640}>
      <Stack gap="xs">
        <Text fw={600}>No host has joined yet</Text>
        <Text size="sm">Make a token here, and give it to the agent on the host:</Text>
        <Command>portolan token create --role worker --ttl 1h</Command>
        <Command>{`portolan agent --join TOKEN --server ${location.origin}`}</Command>
      </Stack>
    </Card>
  );
}

function columnsOf(revision: number): readonly Column<Node>[] {
  return [
    {
      id: 'name',
      title: 'Node',
      value: ({ name }) => name,
      cell: ({ name }) => (
        <Anchor component={Link} to={encodeURIComponent(name)} size="sm" fw={560}>
          {name}
        </Anchor>
      ),
    },
    {
      id: 'health',
      title: 'Health',
      value: (node) => nodeHealth(node, revision).word,
      cell: (node) => {
        const { tone, word } = nodeHealth(node, revision);
        return <StateBadge tone={tone}>{word}</StateBadge>;
      },
    },
    { id: 'address', title: 'Address', value: ({ address }) => address, cell: ({ address }) => <span className="mono">{address}</span> },
    { id: 'role', title: 'Role', value: ({ role }) => role },
    { id: 'availability', title: 'Availability', value: ({ availability }) => availability },
    { id: 'endpoints', title: 'Endpoints', value: ({ endpoints }) => endpoints.length },
    { id: 'applied', title: 'Applied', value: ({ status }) => status.appliedRevision },
    {
      id: 'report',
      title: 'Last report',
      value: ({ status }) => status.lastReportAt ?? '',
      cell: ({ status: { lastReportAt } }) => (lastReportAt === null ? 'never' : <Ago at={lastReportAt} />),
    },
  ];
}
