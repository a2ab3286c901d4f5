import { Anchor, Autocomplete, Card, Group, NumberInput, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useParams, useSearchParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Answer, Page } from '../../parts/page.js';
import { ChoicesDocument, ExplainDocument } from './documents.js';
import { Explanation } from './explanation.js';

/** Any packet, before it is sent: where it goes, what becomes of it on the way, and who put what is in its way there. */
export default function ExplainPage() {
  const { cluster = '' } = useParams();
  const [search, setSearch] = useSearchParams();
  const choices = useLive(ChoicesDocument, { cluster }).data?.cluster;
  const from = search.get('from') ?? '';
  const to = search.get('to') ?? '';
  const size = search.get('size');
  const isObserved = search.get('view') === 'observed';
  const set = (changes: Readonly<Record<string, string | null>>): void => {
    const next = new URLSearchParams(search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') next.delete(name);
      else next.set(name, value);
    }
    // Which path and hop is looked at belongs to one question.
    for (const name of ['path', 'hop']) if (!(name in changes)) next.delete(name);
    setSearch(next, { replace: true });
  };
  const clients = ['outside', ...(choices?.nodes ?? []).map(({ name }) => `node:${name}`), ...(choices?.endpoints ?? []).map(({ name }) => `endpoint:${name}`)];
  const isInside = from.startsWith('endpoint:');
  const targets = [
    ...(choices?.services ?? []).flatMap(({ name, ports }) =>
      ports.map(({ published, target, protocol }) => `${name}:${isInside ? target : published}/${protocol}`),
    ),
    ...(choices?.endpoints ?? []).map(({ name }) => `endpoint:${name}`),
  ];
  return (
    <Page
      title="Explain"
      about="Where a packet goes, through which rules, and why it does not arrive: by what the kernels should hold, or by what the agents last saw in them."
    >
      <Card withBorder>
        <Group align="flex-end" gap="sm">
          <Asked label="From" value={from} data={clients} onAsk={(value) => set({ from: value })} />
          <Asked label="To" value={to} data={[...new Set(targets)]} onAsk={(value) => set({ to: value })} />
          {!isInside && (
            <Select
              label="Node that is dialled"
              data={(choices?.nodes ?? []).map(({ name }) => name)}
              value={search.get('node')}
              onChange={(value) => set({ node: value })}
              clearable
              searchable
              w={180}
            />
          )}
          <NumberInput
            label="Packet"
            suffix=" bytes"
            min={20}
            max={65535}
            value={size === null ? 60 : Number(size)}
            onChange={(value) => set({ size: value === 60 ? null : String(value) })}
            w={120}
          />
          <SegmentedControl
            aria-label="By what"
            value={isObserved ? 'observed' : 'desired'}
            onChange={(value) => set({ view: value === 'observed' ? value : null })}
            data={[
              { value: 'desired', label: 'As it should be' },
              { value: 'observed', label: 'As it was seen' },
            ]}
          />
        </Group>
      </Card>
      {from === '' || to === '' ? (
        <Examples choices={choices} ask={set} />
      ) : (
        <Explained cluster={cluster} from={from} to={to} node={search.get('node')} observed={isObserved} size={size === null ? null : Number(size)} />
      )}
    </Page>
  );
}

function Explained(asked: {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly node: string | null;
  readonly observed: boolean;
  readonly size: number | null;
}) {
  const live = useLive(ExplainDocument, asked);
  return <Answer live={live}>{(data) => (data.cluster?.explain == null ? null : <Explanation explained={data.cluster.explain} />)}</Answer>;
}

/** A text that is asked for when it is chosen or left, not with each letter. */
function Asked({
  label,
  value,
  data,
  onAsk,
}: {
  readonly label: string;
  readonly value: string;
  readonly data: readonly string[];
  readonly onAsk: (value: string) => void;
}) {
  const [draft, setDraft] = useState<string>();
  const ask = (text: string): void => {
    setDraft(undefined);
    if (text !== value) onAsk(text);
  };
  return (
    <Autocomplete
      label={label}
      data={[...data]}
      value={draft ?? value}
      onChange={setDraft}
      onOptionSubmit={ask}
      onBlur={() => draft !== undefined && ask(draft)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && draft !== undefined) ask(draft);
      }}
      w={260}
      limit={50}
    />
  );
}

function Examples({
  choices,
  ask,
}: {
  readonly choices:
    | {
        readonly services: readonly {
          readonly name: string;
          readonly ports: readonly { readonly published: number; readonly target: number; readonly protocol: string }[];
        }[];
        readonly endpoints: readonly { readonly name: string }[];
        readonly nodes: readonly { readonly name: string }[];
      }
    | null
    | undefined;
  readonly ask: (changes: Readonly<Record<string, string | null>>) => void;
}) {
  const service = choices?.services.find(({ ports }) => ports.length > 0);
  const [port] = service?.ports ?? [];
  const node = choices?.nodes.at(-1)?.name;
  const endpoint = choices?.endpoints[0]?.name;
  if (service === undefined || port === undefined || node === undefined || endpoint === undefined) return <Text size="sm">Choose who sends, and to whom.</Text>;
  return (
    <Stack gap={6}>
      <Text size="sm" c="dimmed">
        Choose who sends, and to whom; or begin with one of these:
      </Text>
      <Anchor component="button" ta="left" size="sm" onClick={() => ask({ from: 'outside', to: `${service.name}:${port.published}/${port.protocol}`, node })}>
        A client outside dials the published port {port.published} of {node}
      </Anchor>
      <Anchor
        component="button"
        ta="left"
        size="sm"
        onClick={() => ask({ from: `endpoint:${endpoint}`, to: `${service.name}:${port.target}/${port.protocol}` })}
      >
        The container {endpoint} asks the service {service.name} by its name
      </Anchor>
      <Anchor component="button" ta="left" size="sm" onClick={() => ask({ from: `node:${node}`, to: `127.0.0.1:${port.published}` })}>
        A process on {node} dials 127.0.0.1:{port.published}
      </Anchor>
    </Stack>
  );
}
