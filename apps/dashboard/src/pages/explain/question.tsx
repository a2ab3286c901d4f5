import { Autocomplete, Card, Checkbox, Group, NumberInput, SegmentedControl, Select } from '@mantine/core';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { withChanges } from '../../parts/search-params.js';
import type { Choices } from './documents.js';
import type { Lanes } from './stages.js';

/** Bytes of a TCP SYN. */
const USUAL_SIZE = 60;

/** What is asked, as it stands in the address. */
export interface Asked {
  readonly from: string;
  readonly to: string;
  readonly node: string | null;
  readonly backend: string | null;
  readonly size: number | null;
  readonly df: boolean | null;
  readonly lanes: Lanes;
}

const views: Readonly<Record<string, Lanes>> = { desired: 'wanted', observed: 'seen' };

/** The question of the address, and what changes it: null and the empty text take a part of it away. */
export function useAsked(): readonly [Asked, (changes: Readonly<Record<string, string | null>>) => void] {
  const [search, setSearch] = useSearchParams();
  const size = search.get('size');
  const asked: Asked = {
    ...{ from: search.get('from') ?? '', to: search.get('to') ?? '', node: search.get('node'), backend: search.get('backend') },
    ...{ size: size === null ? null : Number(size), df: search.get('df') === 'false' ? false : null },
    lanes: views[search.get('view') ?? ''] ?? 'both',
  };
  const ask = (changes: Readonly<Record<string, string | null>>): void => {
    // Which path and hop is looked at belongs to one question.
    setSearch(withChanges(search, { path: null, hop: null, ...changes }), { replace: true });
  };
  return [asked, ask];
}

/** By what it is judged. */
export function ViewControl() {
  const [{ lanes }, ask] = useAsked();
  return (
    <SegmentedControl
      aria-label="By what"
      value={Object.keys(views).find((view) => views[view] === lanes) ?? 'both'}
      onChange={(value) => ask({ view: value === 'both' ? null : value })}
      data={[
        { value: 'both', label: 'Both' },
        { value: 'desired', label: 'As it should be' },
        { value: 'observed', label: 'As it was seen' },
      ]}
    />
  );
}

/** Who sends what to whom. */
export function QuestionCard({ choices }: { readonly choices: Choices | null | undefined }) {
  const [{ from, to, node, backend, size, df }, ask] = useAsked();
  const isInside = from.startsWith('endpoint:');
  const clients = ['outside', ...(choices?.nodes ?? []).map(({ name }) => `node:${name}`), ...(choices?.endpoints ?? []).map(({ name }) => `endpoint:${name}`)];
  const targets = [
    ...(choices?.services ?? []).flatMap(({ name, ports }) =>
      ports.map(({ published, target, protocol }) => `${name}:${isInside ? target : published}/${protocol}`),
    ),
    ...(choices?.endpoints ?? []).map(({ name }) => `endpoint:${name}`),
  ];
  return (
    <Card withBorder>
      <Group align="flex-end" gap="sm">
        <AskedText label="From" value={from} data={clients} onAsk={(value) => ask({ from: value })} />
        <AskedText label="To" value={to} data={[...new Set(targets)]} onAsk={(value) => ask({ to: value, backend: null })} />
        {!isInside && (
          <Select
            label="Node that is dialled"
            data={(choices?.nodes ?? []).map(({ name }) => name)}
            value={node}
            onChange={(value) => ask({ node: value })}
            clearable
            searchable
            w={150}
          />
        )}
        <Select
          label="By the endpoint"
          placeholder="any"
          data={backendsFor(choices, to, backend)}
          value={backend}
          onChange={(value) => ask({ backend: value })}
          clearable
          searchable
          w={180}
        />
        <NumberInput
          label="Packet"
          suffix=" bytes"
          min={20}
          max={65535}
          value={size ?? USUAL_SIZE}
          onChange={(value) => ask({ size: value === USUAL_SIZE ? null : String(value) })}
          w={110}
        />
        <Checkbox
          label="May be fragmented"
          checked={df === false}
          onChange={(event) => ask({ df: event.currentTarget.checked ? 'false' : null })}
          h={36}
          styles={{ body: { height: '100%', alignItems: 'center' } }}
        />
      </Group>
    </Card>
  );
}

/** Endpoints of the service that is asked for; all of them where it is no service. */
function backendsFor(choices: Choices | null | undefined, to: string, chosen: string | null): string[] {
  const [name = ''] = to.split(/[:/]/);
  const endpoints = choices?.endpoints ?? [];
  const own = endpoints.filter(({ service }) => service?.name === name);
  const names = (own.length === 0 ? endpoints : own).map((endpoint) => endpoint.name);
  return chosen === null || names.includes(chosen) ? names : [...names, chosen];
}

/** A text that is asked for when it is chosen or left, not with each letter. */
function AskedText({
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
      w={230}
      limit={50}
    />
  );
}
