import { Anchor, Group, Select, Stack, Table, TextInput } from '@mantine/core';
import { Link, useParams, useSearchParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Answer, Page } from '../../parts/page.js';
import { withChanges } from '../../parts/search-params.js';
import { JobStatus, jobStatuses } from './status.js';

const JobsDocument = graphql(`
  query Jobs($cluster: String!, $node: String, $status: JobStatus, $before: ID) {
    cluster(name: $cluster) {
      jobs(node: $node, status: $status, before: $before, limit: 50) {
        id
        node
        generation
        revision
        status
        createdAt
        finishedAt
        plan {
          steps {
            action
          }
        }
      }
    }
  }
`);

export default function JobsPage() {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const status = jobStatuses.find((word) => word === search.get('status')) ?? null;
  const node = search.get('node') ?? '';
  const live = useLive(JobsDocument, { cluster, node: node === '' ? null : node, status, before: search.get('before') });
  const set = (name: string, value: string | null): void => {
    setSearch(withChanges(search, { before: null, [name]: value }), { replace: true });
  };
  return (
    <Page
      title="Jobs"
      about="What was sent to nodes, what they did, and every command with its output."
      actions={
        <Group gap="xs">
          <TextInput aria-label="Node" placeholder="Node" value={node} onChange={(event) => set('node', event.currentTarget.value)} w={160} />
          <Select
            aria-label="Status"
            placeholder="Any status"
            data={[...jobStatuses]}
            value={status}
            onChange={(value) => set('status', value)}
            clearable
            w={160}
          />
        </Group>
      }
    >
      <Answer live={live}>
        {({ cluster: shown }) => (
          <Stack>
            <Table.ScrollContainer minWidth={700}>
              <Table verticalSpacing={6} highlightOnHover>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Job</Table.Th>
                    <Table.Th>Node</Table.Th>
                    <Table.Th>Status</Table.Th>
                    <Table.Th>Steps</Table.Th>
                    <Table.Th>Generation</Table.Th>
                    <Table.Th>Revision</Table.Th>
                    <Table.Th>Made</Table.Th>
                    <Table.Th>Took</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {shown?.jobs.map((job) => (
                    <Table.Tr key={job.id}>
                      <Table.Td>
                        <Anchor component={Link} to={job.id} className="mono" size="sm">
                          {job.id.slice(0, 8)}
                        </Anchor>
                      </Table.Td>
                      <Table.Td>
                        <Anchor component={Link} to={`../nodes/${encodeURIComponent(job.node)}`} relative="path" size="sm">
                          {job.node}
                        </Anchor>
                      </Table.Td>
                      <Table.Td>
                        <JobStatus status={job.status} />
                      </Table.Td>
                      <Table.Td>{job.plan.steps.length}</Table.Td>
                      <Table.Td>{job.generation}</Table.Td>
                      <Table.Td>{job.revision}</Table.Td>
                      <Table.Td>
                        <Ago at={job.createdAt} />
                      </Table.Td>
                      <Table.Td>{job.finishedAt == null ? '…' : `${Date.parse(job.finishedAt) - Date.parse(job.createdAt)} ms`}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
            {shown?.jobs.length === 0 && 'No job is like that.'}
            {shown?.jobs.length === 50 && (
              <Anchor size="sm" component="button" onClick={() => setSearch({ ...Object.fromEntries(search), before: shown.jobs.at(-1)?.id ?? '' })}>
                Older jobs
              </Anchor>
            )}
          </Stack>
        )}
      </Answer>
    </Page>
  );
}
