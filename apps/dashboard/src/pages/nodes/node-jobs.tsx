import { Anchor, Table, Text } from '@mantine/core';
import { Link } from 'react-router';
import { Ago } from '../../parts/ago.js';
import { JobStatus } from '../jobs/status.js';
import type { ShownNode } from './compared.js';

export function NodeJobs({ jobs, cluster }: { readonly jobs: ShownNode['jobs']; readonly cluster: string }) {
  if (jobs.length === 0) return <Text size="sm">Nothing was sent to this node yet.</Text>;
  return (
    <Table verticalSpacing={6} highlightOnHover>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Job</Table.Th>
          <Table.Th>Status</Table.Th>
          <Table.Th>Steps</Table.Th>
          <Table.Th>Revision</Table.Th>
          <Table.Th>Made</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {jobs.map(({ id, status, plan, revision, createdAt }) => (
          <Table.Tr key={id}>
            <Table.Td>
              <Anchor component={Link} to={`/clusters/${encodeURIComponent(cluster)}/jobs/${id}`} className="mono" size="sm">
                {id.slice(0, 8)}
              </Anchor>
            </Table.Td>
            <Table.Td>
              <JobStatus status={status} />
            </Table.Td>
            <Table.Td>{plan.steps.length}</Table.Td>
            <Table.Td>{revision}</Table.Td>
            <Table.Td>
              <Ago at={createdAt} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
