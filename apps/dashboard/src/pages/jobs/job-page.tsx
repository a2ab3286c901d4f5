import { Accordion, Alert, Anchor, Code, Group, Stack, Table, Text } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Answer, Page } from '../../parts/page.js';
import { StateBadge } from '../../parts/state-badge.js';
import { NotFoundPage } from '../not-found-page.js';
import { JobStatus } from './status.js';

const JobDocument = graphql(`
  query Job($cluster: String!, $id: ID!) {
    cluster(name: $cluster) {
      job(id: $id) {
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
            key
            reason
          }
        }
        report {
          startedAt
          finishedAt
          waiting
          errors {
            code
            message
            fix
          }
          commands {
            space
            command
            input
            exitCode
            stdout
            stderr
            milliseconds
          }
        }
      }
    }
  }
`);

/** One change of a node: what was to be done and why, and what was run. */
export default function JobPage() {
  const { cluster = '', id = '' } = useParams();
  const live = useLive(JobDocument, { cluster, id });
  return (
    <Answer live={live}>
      {(data) => {
        const job = data.cluster?.job;
        if (job == null) return <NotFoundPage />;
        const { report } = job;
        return (
          <Page
            title={`Job ${id.slice(0, 8)}`}
            about={
              <Group gap="xs">
                <JobStatus status={job.status} />
                <Anchor component={Link} to={`/clusters/${encodeURIComponent(cluster)}/nodes/${encodeURIComponent(job.node)}`} size="sm">
                  {job.node}
                </Anchor>
                <span>
                  generation {job.generation}, revision {job.revision}, made <Ago at={job.createdAt} />
                </span>
              </Group>
            }
          >
            {report?.errors.map(({ code, message, fix }) => (
              <Alert key={message} color="red" variant="light" title={message}>
                {fix} ({code})
              </Alert>
            ))}
            <Text fw={600} component="h2">
              Steps
            </Text>
            <Table.ScrollContainer minWidth={700}>
              <Table fz="sm" verticalSpacing={4}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={90}>Step</Table.Th>
                    <Table.Th>Object</Table.Th>
                    <Table.Th>Reason</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {job.plan.steps.map(({ action, key, reason }) => (
                    <Table.Tr key={`${action} ${key}`}>
                      <Table.Td>{action}</Table.Td>
                      <Table.Td className="mono" style={{ wordBreak: 'break-all' }}>
                        {key}
                      </Table.Td>
                      <Table.Td>{reason}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
            <Text fw={600} component="h2">
              Commands
            </Text>
            {report == null ? (
              <Text size="sm">The agent has not reported on it yet.</Text>
            ) : report.commands.length === 0 ? (
              <Text size="sm">No process was started: it was done by system calls, or there was nothing to do.</Text>
            ) : (
              <Accordion variant="separated" multiple>
                {report.commands.map(({ space, command, input, exitCode, stdout, stderr, milliseconds }, index) => (
                  <Accordion.Item key={`${command} ${milliseconds}`} value={String(index)}>
                    <Accordion.Control>
                      <Group justify="space-between" wrap="nowrap" pr="md">
                        <Text className="mono" size="sm" truncate>
                          {command}
                        </Text>
                        <Group gap="xs" wrap="nowrap">
                          <Text size="sm" c="dimmed">
                            {space}, {milliseconds.toFixed(0)} ms
                          </Text>
                          <StateBadge tone={exitCode === 0 ? 'good' : 'bad'}>{`exit ${exitCode}`}</StateBadge>
                        </Group>
                      </Group>
                    </Accordion.Control>
                    <Accordion.Panel>
                      <Stack gap="xs">
                        {[
                          ['Input', input],
                          ['Output', stdout],
                          ['Errors', stderr],
                        ].map(([title, text]) =>
                          text === '' ? null : (
                            <Stack gap={2} key={title}>
                              <Text size="xs" c="dimmed">
                                {title}
                              </Text>
                              <Code block>{text}</Code>
                            </Stack>
                          ),
                        )}
                      </Stack>
                    </Accordion.Panel>
                  </Accordion.Item>
                ))}
              </Accordion>
            )}
          </Page>
        );
      }}
    </Answer>
  );
}
