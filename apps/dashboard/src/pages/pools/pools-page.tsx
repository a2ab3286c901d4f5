import { Progress, Table, Text } from '@mantine/core';
import { useParams } from 'react-router';
import { graphql } from '../../api/generated/index.js';
import { useLive } from '../../api/live.js';
import { Answer, Page } from '../../parts/page.js';
import { type Tone, tones } from '../../shell/theme.js';

const PoolsDocument = graphql(`
  query Pools($cluster: String!) {
    cluster(name: $cluster) {
      pools {
        pool
        name
        range
        size
        used
        retired
        free
        by
      }
    }
  }
`);

/** Shares of a pool from which on it should be looked at, and from which on it is nearly exhausted. */
const WARN = 0.8;
const BAD = 0.95;

const titles = { subnets: 'Subnets', vnis: 'VNIs', marks: 'Firewall marks', ports: 'Dynamic ports', addresses: 'Addresses' } as const;

/** How much of what can be given is given, and to what. */
export default function PoolsPage() {
  const { cluster = '' } = useParams();
  const live = useLive(PoolsDocument, { cluster });
  return (
    <Page title="Pools" about="Addresses, subnets, VNIs, firewall marks and dynamic ports: what is used, by what, and what is left.">
      <Answer live={live}>
        {({ cluster: shown }) => (
          <Table.ScrollContainer minWidth={760}>
            <Table verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Pool</Table.Th>
                  <Table.Th>Range</Table.Th>
                  <Table.Th w={190}>Used</Table.Th>
                  <Table.Th ta="right">Free</Table.Th>
                  <Table.Th>By</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {shown?.pools.map(({ pool, name, range, size, used, retired, free, by }) => {
                  const share = size === 0 ? 0 : used / size;
                  return (
                    <Table.Tr key={`${pool} ${name} ${range}`}>
                      <Table.Td>
                        <Text size="sm" fw={560}>
                          {titles[pool]}
                        </Text>
                        {name !== '' && (
                          <Text size="xs" c="dimmed">
                            {name}
                          </Text>
                        )}
                      </Table.Td>
                      <Table.Td className="mono" style={{ whiteSpace: 'nowrap' }}>
                        {range}
                      </Table.Td>
                      <Table.Td>
                        <Text size="xs" className="mono">
                          {used.toLocaleString('en')} / {size.toLocaleString('en')}
                        </Text>
                        <Progress
                          size={5}
                          value={Math.max(share * 100, used > 0 ? 1 : 0)}
                          color={tones[toneOf(share)]}
                          aria-label={`${used} of ${size} used`}
                        />
                      </Table.Td>
                      <Table.Td ta="right" className="mono" style={{ whiteSpace: 'nowrap' }}>
                        {free.toLocaleString('en')}
                      </Table.Td>
                      <Table.Td>
                        <Text size="sm" c="dimmed">
                          {holdersOf(by)}
                          {retired > 0 ? `, ${retired} not yet forgotten by every node` : ''}
                        </Text>
                      </Table.Td>
                    </Table.Tr>
                  );
                })}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Answer>
    </Page>
  );
}

function toneOf(share: number): Tone {
  return share >= BAD ? 'bad' : share >= WARN ? 'warn' : 'busy';
}

/** Such as `5 endpoints, 2 VIPs`; the largest first. */
function holdersOf(by: unknown): string {
  if (typeof by !== 'object' || by === null) return '';
  return Object.entries(by)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${count} ${what === 'vip' ? 'VIP' : what.replaceAll('-', ' ')}${count === 1 ? '' : 's'}`)
    .join(', ');
}
