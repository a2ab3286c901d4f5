import { Anchor, Stack, Text } from '@mantine/core';
import { useParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Answer, Page } from '../../parts/page.js';
import { type Choices, ChoicesDocument, ExplainDocument } from './documents.js';
import { Explanation } from './explanation.js';
import { type Asked, QuestionCard, useAsked, ViewControl } from './question.js';

/** Any packet, before it is sent: where it goes, what becomes of it on the way, and who put what is in its way there. */
export default function ExplainPage() {
  const { cluster = '' } = useParams();
  const [asked, ask] = useAsked();
  const choices = useLive(ChoicesDocument, { cluster }).data?.cluster;
  return (
    <Page
      title="Explain"
      about="Where a packet goes and why it does not arrive: as the kernels should be, and as agents last saw them."
      actions={<ViewControl />}
    >
      <QuestionCard choices={choices} />
      {asked.from === '' || asked.to === '' ? <Examples choices={choices} ask={ask} /> : <Explained cluster={cluster} asked={asked} />}
    </Page>
  );
}

function Explained({ cluster, asked: { lanes, ...question } }: { readonly cluster: string; readonly asked: Asked }) {
  const live = useLive(ExplainDocument, { cluster, ...question, byDesired: lanes !== 'seen', byObserved: lanes !== 'wanted' });
  return (
    <Answer live={live}>
      {({ cluster: shown }) => {
        // The answer before is in sight until the one that is asked for is there.
        const [wanted, seen] = [shown?.desired ?? undefined, shown?.observed ?? undefined];
        return wanted === undefined && seen === undefined ? null : <Explanation wanted={wanted} seen={seen} />;
      }}
    </Answer>
  );
}

function Examples({
  choices,
  ask,
}: {
  readonly choices: Choices | null | undefined;
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
