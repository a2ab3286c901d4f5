import type { ResultOf } from '@graphql-typed-document-node/core';
import { Anchor, Card, Stack, Text } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Command } from '../../parts/command.js';
import { Answer, Page } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';
import { type Column, DataTable } from '../../parts/table.js';

const ServicesDocument = graphql(`
  query Services($cluster: String!) {
    cluster(name: $cluster) {
      services {
        name
        endpointMode
        scheduler
        networks {
          vip
          network {
            name
          }
        }
        ports {
          published
          target
          protocol
        }
        endpoints {
          traffic
        }
      }
    }
  }
`);

type Service = NonNullable<ResultOf<typeof ServicesDocument>['cluster']>['services'][number];

const serving = ({ endpoints }: Service): number => endpoints.filter(({ traffic }) => traffic === 'all').length;

const columns: readonly Column<Service>[] = [
  {
    id: 'name',
    title: 'Service',
    value: ({ name }) => name,
    cell: ({ name }) => (
      <Anchor component={Link} to={encodeURIComponent(name)} size="sm" fw={560}>
        {name}
      </Anchor>
    ),
  },
  {
    id: 'endpoints',
    title: 'Endpoints',
    value: serving,
    cell: (service) => {
      const count = serving(service);
      const all = service.endpoints.length;
      return <StateBadge tone={all === 0 ? 'idle' : count === 0 ? 'bad' : count < all ? 'warn' : 'good'}>{`${count} of ${all} serve`}</StateBadge>;
    },
  },
  { id: 'mode', title: 'Mode', value: ({ endpointMode }) => endpointMode },
  {
    id: 'vips',
    title: 'VIPs',
    value: ({ networks }) => networks.map(({ vip }) => vip ?? '').join(' '),
    cell: ({ networks }) => (
      <span className="mono">
        {networks
          .map(({ vip }) => vip)
          .filter((vip) => vip !== null)
          .join(', ')}
      </span>
    ),
  },
  {
    id: 'ports',
    title: 'Published',
    value: ({ ports }) => ports.map(({ published }) => published).join(' '),
    cell: ({ ports }) => <span className="mono">{ports.map(({ published, target, protocol }) => `${published} → ${target}/${protocol}`).join(', ')}</span>,
  },
  { id: 'scheduler', title: 'Scheduler', value: ({ scheduler }) => scheduler },
];

export default function ServicesPage() {
  const { cluster = '' } = useParams();
  const live = useLive(ServicesDocument, { cluster });
  return (
    <Page title="Services" about="Endpoints behind virtual IPs and published ports.">
      <Answer live={live}>
        {({ cluster: shown }) =>
          shown == null || shown.services.length === 0 ? (
            <Card withBorder maw={640}>
              <Stack gap="xs">
                <Text fw={600}>There is no service yet</Text>
                <Text size="sm">Write down what you want, and apply it:</Text>
                <Command>portolan apply -f services.yaml --wait</Command>
              </Stack>
            </Card>
          ) : (
            <DataTable
              rows={shown.services}
              columns={columns}
              keyOf={({ name }) => name}
              search="Find a service, VIP or port"
              empty="No service is like that."
            />
          )
        }
      </Answer>
    </Page>
  );
}
