import { Badge, Card, Center, Container, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { Link, Navigate } from 'react-router';
import { useQuery } from 'urql';
import { ClustersDocument } from '../../api/clusters.js';
import { Command } from '../../parts/command.js';
import { Fault } from '../../parts/fault.js';
import { Loading } from '../../parts/loading.js';
import { StateBadge } from '../../parts/state-badge.js';
import { SignInGate } from '../../shell/sign-in.js';

/** All clusters; where there is one, that one. */
export function ClustersPage() {
  return (
    <SignInGate>
      <Clusters />
    </SignInGate>
  );
}

function Clusters() {
  const [{ data, error }] = useQuery({ query: ClustersDocument, requestPolicy: 'cache-and-network' });
  if (data === undefined) return <Container py="xl">{error === undefined ? <Loading /> : <Fault error={error} />}</Container>;
  const [first, ...others] = data.clusters;
  if (first === undefined) return <NoCluster />;
  if (others.length === 0) return <Navigate to={`/clusters/${encodeURIComponent(first.name)}/chart`} replace />;
  return (
    <Container py="xl">
      <Stack>
        <Title order={1} size="h2">
          Clusters
        </Title>
        <SimpleGrid cols={{ base: 1, sm: 2, md: 3 }}>
          {data.clusters.map(({ name, revision, status }) => {
            const failing = status.nodes.filter(({ alive, degraded }) => alive === false || degraded !== null).length;
            return (
              <Card key={name} withBorder component={Link} to={`/clusters/${encodeURIComponent(name)}/chart`}>
                <Group justify="space-between">
                  <Text fw={620}>{name}</Text>
                  <Badge variant="default">{status.nodes.length} nodes</Badge>
                </Group>
                <Group mt="sm" gap="xs">
                  <StateBadge tone={status.appliedRevision >= revision ? 'good' : 'busy'}>{`revision ${status.appliedRevision} of ${revision}`}</StateBadge>
                  {failing > 0 && <StateBadge tone="bad">{`${failing} need attention`}</StateBadge>}
                </Group>
              </Card>
            );
          })}
        </SimpleGrid>
      </Stack>
    </Container>
  );
}

function NoCluster() {
  return (
    <Center mih="100vh" p="md">
      <Stack maw={620}>
        <Title order={1} size="h2">
          There is no cluster yet
        </Title>
        <Text>Write down what you want, or begin with the example, and apply it; this page goes on by itself.</Text>
        <Command>{`portolan cluster create my-cluster\nportolan apply -f examples/bjdt.yaml --cluster my-cluster`}</Command>
        <Text>Then let each host join:</Text>
        <Command>{`portolan token create --role worker --ttl 1h\nportolan agent --join TOKEN --server ${location.origin}`}</Command>
      </Stack>
    </Center>
  );
}
