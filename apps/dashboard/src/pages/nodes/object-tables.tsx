import { Code, Stack, Table, Text } from '@mantine/core';
import { StateBadge } from '../../parts/state-badge.js';
import type { Tone } from '../../shell/theme.js';
import { type Compared, type Comparison, fieldsOf, originOf } from './compared.js';

const titles: Readonly<Record<string, string>> = {
  namespace: 'Namespace',
  bridge: 'Bridges',
  vxlan: 'VXLAN devices',
  'flannel-vtep': 'VTEP of flannel',
  'udp-relay': 'UDP relay',
  veth: 'Pairs (veth)',
  address: 'Addresses',
  sysctl: 'Settings (sysctl)',
  neighbour: 'Neighbours',
  fdb: 'Forwarding entries (FDB)',
  'udp-relay-peer': 'Peers of the relay',
  route: 'Routes',
  'route-rule': 'Rules of routing',
  'ipvs-timeouts': 'IPVS timeouts',
  'virtual-server': 'Virtual servers (IPVS)',
  'real-server': 'Real servers (IPVS)',
  mark: 'Marks',
  'source-kept': 'Sources that are kept',
  'source-rewrite': 'Source rewrites',
  'rule-entry': 'Jumps into our chains',
  'port-redirect': 'Port redirects',
  'endpoint-filter': 'Filter',
  'gateway-policy': 'Policy of the gateway bridge',
  'port-forward': 'Published ports',
  'pod-forward': 'Forwarding of pods',
  'pod-masquerade': 'Masquerading of pods',
  file: 'Files',
  'dns-redirect': 'Redirect to the name server',
  'dns-server': 'Name server',
  'dns-name': 'Names',
  'dns-client': 'Client of the name server',
};

const comparisons: Readonly<Record<Comparison, { readonly tone: Tone; readonly word: string }>> = {
  same: { tone: 'good', word: 'as wanted' },
  missing: { tone: 'bad', word: 'missing' },
  different: { tone: 'bad', word: 'different' },
  unexpected: { tone: 'warn', word: 'not wanted' },
  unseen: { tone: 'idle', word: 'not seen yet' },
};

/** A table for each kind of object; a long one shows its first rows. */
export function ObjectTables({ objects }: { readonly objects: readonly Compared[] }) {
  if (objects.length === 0) return <Text size="sm">Nothing differs here.</Text>;
  return [...Map.groupBy(objects, ({ kind }) => kind)].map(([kind, ofKind]) => (
    <Stack key={kind} gap={4}>
      <Text fw={600} size="sm" component="h3">
        {titles[kind] ?? kind}
      </Text>
      <Table.ScrollContainer minWidth={720}>
        <Table fz="sm" verticalSpacing={4} layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w="34%">Object</Table.Th>
              <Table.Th>Content</Table.Th>
              <Table.Th w="22%">Because of</Table.Th>
              <Table.Th w={120}>Kernel</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {ofKind.slice(0, MOST_ROWS).map((object) => (
              <ObjectRow key={object.key} object={object} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {ofKind.length > MOST_ROWS && (
        <Text size="xs" c="dimmed">
          and {ofKind.length - MOST_ROWS} more
        </Text>
      )}
    </Stack>
  ));
}

const MOST_ROWS = 200;

function ObjectRow({ object }: { readonly object: Compared }) {
  const { key, comparison, wanted, found } = object;
  const { tone, word } = comparisons[comparison];
  return (
    <Table.Tr>
      <Table.Td className="mono" style={{ wordBreak: 'break-all' }}>
        {key.split('/').slice(2).join('/') || key}
      </Table.Td>
      <Table.Td style={{ wordBreak: 'break-word' }}>
        {fieldsOf(wanted?.body ?? found?.body)}
        {comparison === 'different' && (
          <Code block mt={4}>
            {found?.body == null ? 'found damaged' : `found: ${fieldsOf(found.body)}`}
          </Code>
        )}
      </Table.Td>
      <Table.Td c="dimmed">{originOf(wanted?.origin)}</Table.Td>
      <Table.Td>
        <StateBadge tone={tone}>{word}</StateBadge>
      </Table.Td>
    </Table.Tr>
  );
}
