import { Anchor, Badge, Button, Checkbox, Group, SegmentedControl, Stack, Table, Text } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';
import { useMutation } from 'urql';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Fault } from '../../parts/fault.js';
import { Answer, Page } from '../../parts/page.js';
import { withChanges } from '../../parts/search-params.js';
import { PlanBackDocument } from '../plans/documents.js';
import { Difference } from './difference.js';
import { Refusals } from './refusals.js';

const HistoryDocument = graphql(`
  query History($cluster: String!, $before: Int, $wishes: Boolean) {
    cluster(name: $cluster) {
      revision
      revisions(limit: 50, before: $before, wishes: $wishes) {
        revision
        actor
        from
        summary
        createdAt
        changes {
          action
          kind
          name
        }
      }
    }
  }
`);

/** Who wanted what otherwise, when, from where, and who was turned away. */
export default function HistoryPage() {
  const [search, setSearch] = useSearchParams();
  const shown = shows.find(({ value }) => value === search.get('show'))?.value ?? 'wishes';
  const show = (value: string): void => setSearch(value === 'wishes' ? {} : { show: value }, { replace: true });
  return (
    <Page
      title="History"
      about="Every revision of the intent, with who made it, and every request that was refused. Choose two revisions to see what differs."
      actions={<SegmentedControl aria-label="What is shown" value={shown} onChange={show} data={[...shows]} />}
    >
      {shown === 'refused' ? <Refusals /> : <Revisions isEverything={shown === 'everything'} />}
    </Page>
  );
}
const shows = [
  { value: 'wishes', label: 'Changes of people' },
  { value: 'everything', label: 'Everything' },
  { value: 'refused', label: 'Refused' },
] as const;

/** Two of them beside each other, and the way back. */
function Revisions({ isEverything }: { readonly isEverything: boolean }) {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const before = search.get('before');
  const live = useLive(HistoryDocument, { cluster, before: before === null ? null : Number(before), wishes: !isEverything });
  const set = (changes: Readonly<Record<string, string | undefined>>): void => setSearch(withChanges(search, changes), { replace: true });
  const chosen = [search.get('from'), search.get('to')].filter((text) => text !== null).map(Number);
  const [low, high] = [...chosen].sort((a, b) => a - b);
  const choose = (revision: number): void => {
    const next = chosen.includes(revision) ? chosen.filter((own) => own !== revision) : [...chosen.slice(-1), revision];
    const [from, to] = [...next].sort((a, b) => a - b);
    set({ from: from?.toString(), to: to?.toString() });
  };
  return (
    <>
      {low !== undefined && high !== undefined && <Difference cluster={cluster} from={low} to={high} />}
      <Answer live={live}>
        {({ cluster: shown }) => (
          <Stack>
            <Table.ScrollContainer minWidth={760}>
              <Table verticalSpacing={6} highlightOnHover>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={40} />
                    <Table.Th w={90}>Revision</Table.Th>
                    <Table.Th>What</Table.Th>
                    <Table.Th>By</Table.Th>
                    <Table.Th>From</Table.Th>
                    <Table.Th>When</Table.Th>
                    <Table.Th w={150} />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {shown?.revisions.map(({ revision, actor, from, summary, createdAt, changes }) => (
                    <Table.Tr key={revision}>
                      <Table.Td>
                        <Checkbox size="xs" aria-label={`Choose revision ${revision}`} checked={chosen.includes(revision)} onChange={() => choose(revision)} />
                      </Table.Td>
                      <Table.Td className="mono">{revision}</Table.Td>
                      <Table.Td>
                        <Text size="sm">{summary}</Text>
                        <Group gap={4}>
                          {changes.slice(0, 4).map(({ action, kind, name }) => (
                            <Badge key={`${kind} ${name}`} size="sm" variant="default" tt="none" radius="sm" fw={500}>
                              {action} {kind} {name}
                            </Badge>
                          ))}
                          {changes.length > 4 && (
                            <Text size="xs" c="dimmed">
                              and {changes.length - 4} more
                            </Text>
                          )}
                        </Group>
                      </Table.Td>
                      <Table.Td>{actor}</Table.Td>
                      <Table.Td className="mono">{from ?? ''}</Table.Td>
                      <Table.Td>
                        <Ago at={createdAt} />
                      </Table.Td>
                      <Table.Td>{revision < shown.revision && <GoBack cluster={cluster} to={revision} />}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
            {shown?.revisions.length === 0 && (
              <Text size="sm" c="dimmed">
                {isEverything ? 'Nothing was changed' : 'Nobody has changed anything'}
                {before === null ? ' yet.' : ' before.'}
              </Text>
            )}
            {shown?.revisions.length === 50 && (
              <Anchor size="sm" component={Link} to={`?${withChanges(search, { before: String(shown.revisions.at(-1)?.revision) })}`}>
                Older revisions
              </Anchor>
            )}
          </Stack>
        )}
      </Answer>
    </>
  );
}

/** A plan that leads back, which is looked at before it is applied. */
function GoBack({ cluster, to }: { readonly cluster: string; readonly to: number }) {
  const navigate = useNavigate();
  const [{ error, fetching }, planBack] = useMutation(PlanBackDocument);
  async function make(): Promise<void> {
    const { data } = await planBack({ cluster, to, summary: `back to revision ${to}` });
    if (data !== undefined) void navigate(`/clusters/${encodeURIComponent(cluster)}/plans/${data.createChangeset.id}`);
  }
  return (
    <Stack gap={4}>
      <Button size="compact-xs" variant="default" leftSection={<IconArrowBackUp size={14} />} onClick={() => void make()} loading={fetching}>
        Plan going back
      </Button>
      {error !== undefined && <Fault error={error} />}
    </Stack>
  );
}
