import { Group, Tabs } from '@mantine/core';
import { useParams, useSearchParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Answer, Page } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';
import { NotFoundPage } from '../not-found-page.js';
import { NodeDocument } from './documents.js';
import { nodeHealth } from './health.js';
import { Namespaces } from './namespaces.js';
import { NodeFacts } from './node-facts.js';
import { NodeJobs } from './node-jobs.js';

const tabs = ['namespaces', 'jobs', 'facts'] as const;

/** One host: what its kernel should hold beside what it holds. */
export default function NodePage() {
  const { cluster = '', node: name = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const live = useLive(NodeDocument, { cluster, node: name });
  const tab = tabs.find((own) => own === search.get('tab')) ?? 'namespaces';
  return (
    <Answer live={live}>
      {(data) => {
        const node = data.cluster?.node;
        if (data.cluster == null || node == null) return <NotFoundPage />;
        const { tone, word } = nodeHealth(node, data.cluster.revision);
        return (
          <Page
            title={name}
            about={
              <Group gap="xs">
                <StateBadge tone={tone}>{word}</StateBadge>
                <span>
                  {node.role}, <span className="mono">{node.address}</span>
                  {node.underlayLink === null ? '' : ` on ${node.underlayLink}`}
                  {node.underlayMtu === null ? '' : `, MTU ${node.underlayMtu}`}, generation {node.status.generation}
                </span>
              </Group>
            }
          >
            <Tabs
              value={tab}
              onChange={(value) => setSearch(value === null || value === 'namespaces' ? {} : { tab: value }, { replace: true })}
              keepMounted={false}
            >
              <Tabs.List mb="md">
                <Tabs.Tab value="namespaces">Namespaces</Tabs.Tab>
                <Tabs.Tab value="jobs">Jobs</Tabs.Tab>
                <Tabs.Tab value="facts">Facts and faults</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="namespaces">
                <Namespaces node={node} networks={data.cluster.networks} />
              </Tabs.Panel>
              <Tabs.Panel value="jobs">
                <NodeJobs jobs={node.jobs} cluster={cluster} />
              </Tabs.Panel>
              <Tabs.Panel value="facts">
                <NodeFacts status={node.status} />
              </Tabs.Panel>
            </Tabs>
          </Page>
        );
      }}
    </Answer>
  );
}
