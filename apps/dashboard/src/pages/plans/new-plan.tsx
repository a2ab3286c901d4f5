import { Alert, Button, Card, Group, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import { useMutation, useQuery } from 'urql';
import { parse, stringify, YAMLParseError } from 'yaml';
import { Fault } from '../../parts/fault.js';
import { CreatePlanDocument, ManifestDocument } from './documents.js';

/** The manifest as a text that can be changed; what is made of it is looked at before anything happens. */
export function NewPlan({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) {
  const navigate = useNavigate();
  const [{ data, error: unread }] = useQuery({ query: ManifestDocument, variables: { cluster }, requestPolicy: 'network-only' });
  const [{ error, fetching }, create] = useMutation(CreatePlanDocument);
  const [text, setText] = useState<string>();
  const [summary, setSummary] = useState('');
  const [fault, setFault] = useState<string>();
  const manifest = data?.cluster?.manifest;
  useEffect(() => {
    if (manifest !== undefined) setText((held) => held ?? stringify(manifest));
  }, [manifest]);

  async function plan(): Promise<void> {
    const read = manifestOf(text ?? '');
    setFault('fault' in read ? read.fault : undefined);
    if ('fault' in read) return;
    const { data: made } = await create({ cluster, manifest: read.manifest, summary: summary === '' ? null : summary });
    if (made !== undefined) void navigate(made.createChangeset.id);
  }

  return (
    <Card withBorder>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void plan();
        }}
      >
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            The manifest of revision {data?.cluster?.revision ?? '…'}. Change what should be otherwise; a section that is left out is left alone.
          </Text>
          {unread !== undefined && <Fault error={unread} />}
          <Textarea
            label="Manifest (YAML)"
            value={text ?? ''}
            onChange={(event) => setText(event.currentTarget.value)}
            autosize
            minRows={10}
            maxRows={26}
            spellCheck={false}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13, tabSize: 2 } }}
          />
          <TextInput label="What for" placeholder="A line for the history" value={summary} onChange={(event) => setSummary(event.currentTarget.value)} />
          {fault !== undefined && (
            <Alert color="red" variant="light" title="This is no YAML" role="alert">
              {fault}
            </Alert>
          )}
          {error !== undefined && <Fault error={error} />}
          <Group>
            <Button type="submit" loading={fetching} disabled={text === undefined}>
              Show what it would do
            </Button>
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function manifestOf(text: string): { readonly manifest: unknown } | { readonly fault: string } {
  try {
    const manifest: unknown = parse(text);
    return { manifest };
  } catch (error) {
    if (error instanceof YAMLParseError) return { fault: error.message };
    throw error;
  }
}
