import { Anchor, Card, Group, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Fault } from '../../parts/fault.js';
import { Answer, Page } from '../../parts/page.js';
import { NotFoundPage } from '../not-found-page.js';
import { ServiceEndpoints } from './endpoints.js';
import { Programmed } from './programmed.js';
import { useTraffic } from './traffic.js';

export const ServiceDocument = graphql(`
  query Service($cluster: String!, $name: String!) {
    cluster(name: $cluster) {
      revision
      services(name: $name) {
        name
        endpointMode
        scheduler
        persistence
        networks {
          vip
          mark
          aliases
          network {
            name
            vni
            subnet
          }
        }
        ports {
          published
          target
          protocol
          mode
          externalTrafficPolicy
        }
        endpoints {
          name
          weight
          presence
          health
          traffic
          addresses {
            address
            network {
              name
            }
          }
          node {
            name
            status {
              appliedRevision
            }
          }
          drain {
            deadline
            drained
            removes
            connections
            pending
            acknowledgedBy
          }
        }
      }
    }
  }
`);

export default function ServicePage() {
  const { cluster = '', service: name = '' } = useParams();
  const live = useLive(ServiceDocument, { cluster, name });
  const { data: counted, error } = useTraffic(cluster, name);
  const shown = counted?.cluster?.service;
  return (
    <Answer live={live}>
      {(data) => {
        // The filter gives every service whose name begins so.
        const service = data.cluster?.services.find((own) => own.name === name);
        if (service === undefined) return <NotFoundPage />;
        return (
          <Page
            title={name}
            about={`${service.endpointMode}, scheduler ${service.scheduler}${service.persistence > 0 ? `, clients stay for ${service.persistence} s` : ''}`}
          >
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Card withBorder>
                <Text fw={600} component="h2" mb="xs">
                  Virtual IPs
                </Text>
                <Table fz="sm" verticalSpacing={4}>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Network</Table.Th>
                      <Table.Th>VIP</Table.Th>
                      <Table.Th>Firewall mark</Table.Th>
                      <Table.Th>VNI</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {service.networks.map(({ vip, mark, network }) => (
                      <Table.Tr key={network.name}>
                        <Table.Td>{network.name}</Table.Td>
                        <Table.Td className="mono">{vip ?? 'none, names lead to endpoints'}</Table.Td>
                        <Table.Td className="mono">{mark === null ? '' : `0x${mark.toString(16)} = ${mark}`}</Table.Td>
                        <Table.Td className="mono">{network.vni}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Card>
              <Card withBorder>
                <Text fw={600} component="h2" mb="xs">
                  Published ports
                </Text>
                {service.ports.length === 0 && <Text size="sm">None.</Text>}
                <Stack gap={6}>
                  {service.ports.map(({ published, target, protocol, mode, externalTrafficPolicy }) => (
                    <Group key={`${protocol} ${published}`} gap="sm">
                      <Text className="mono" size="sm" fw={600}>
                        {published} → {target}/{protocol}
                      </Text>
                      <Text size="sm" c="dimmed">
                        {mode === 'host'
                          ? 'on the nodes of its endpoints'
                          : externalTrafficPolicy === 'local'
                            ? 'by own endpoints of each node'
                            : 'on every node'}
                      </Text>
                      <Anchor
                        size="sm"
                        component={Link}
                        to={`/clusters/${encodeURIComponent(cluster)}/explain?from=outside&to=${encodeURIComponent(`${name}:${published}/${protocol}`)}`}
                      >
                        Explain
                      </Anchor>
                    </Group>
                  ))}
                </Stack>
              </Card>
            </SimpleGrid>
            <ServiceEndpoints
              cluster={cluster}
              endpoints={service.endpoints}
              revision={data.cluster?.revision ?? 0}
              traffic={shown?.traffic}
              refresh={live.refresh}
            />
            {error !== undefined && shown == null && <Fault error={error} />}
            {shown != null && <Programmed cluster={cluster} revision={counted?.cluster?.revision ?? 0} places={shown.programmed} traffic={shown.traffic} />}
          </Page>
        );
      }}
    </Answer>
  );
}
