import { Alert, Card, Code, Select, Stack, Text } from '@mantine/core';
import { useSearchParams } from 'react-router';
import { StateBadge } from '../../parts/state-badge.js';
import { tones } from '../../shell/theme.js';
import { originOf } from '../nodes/compared.js';
import type { Explained } from './documents.js';
import { Walk } from './walk.js';

/** The answer: its verdict, one of its paths drawn, and what on the way is not as it should be. */
export function Explanation({ explained }: { readonly explained: Explained }) {
  const [search, setSearch] = useSearchParams();
  const { paths, verdict, divergences, trails, resolution } = explained;
  const chosen = Math.min(Number(search.get('path') ?? 0), Math.max(0, paths.length - 1));
  const path = paths[chosen];
  const isGood = verdict.outcome === 'delivered';
  const set = (name: string, value: string): void => {
    const next = new URLSearchParams(search);
    next.set(name, value);
    if (name === 'path') next.delete('hop');
    setSearch(next, { replace: true });
  };
  return (
    <Stack>
      <Alert
        color={tones[isGood ? 'good' : 'bad']}
        variant="light"
        title={`${verdict.outcome.replaceAll('_', ' ')}${verdict.to == null ? '' : ` to ${verdict.to}`}`}
        role="status"
      >
        <Text size="sm">{verdict.reason}</Text>
        {verdict.object !== null && !isGood && (
          <Text size="sm">
            Because of <Code>{verdict.object.key}</Code> on {verdict.object.node}
            {originOf(verdict.object.origin) === '' ? '' : `, which is there for ${originOf(verdict.object.origin)}`}.
          </Text>
        )}
        {verdict.fix !== null && !isGood && (
          <Text size="sm" fw={560}>
            {verdict.fix}
          </Text>
        )}
        {resolution !== null && (
          <Text size="sm" c="dimmed">
            {resolution.text}
          </Text>
        )}
      </Alert>
      {divergences.length > 0 && (
        <Card withBorder>
          <Text fw={600} component="h2" mb="xs">
            Not as it should be on the way
          </Text>
          <Stack gap={6}>
            {divergences.slice(0, 20).map(({ object, difference, decisive }) => (
              <Text key={`${object.node} ${object.key}`} size="sm" component="div">
                <StateBadge tone={decisive ? 'bad' : 'warn'}>{difference}</StateBadge> {object.node} <span className="mono">{object.key}</span>{' '}
                <Text span c="dimmed" size="sm">
                  {originOf(object.origin)}
                </Text>
              </Text>
            ))}
          </Stack>
        </Card>
      )}
      {paths.length > 1 && (
        <Select
          label="Path by"
          data={paths.map(({ backend, share, verdict: own }, index) => ({
            value: String(index),
            label: `${backend ?? 'nobody'}, ${Math.round(share * 100)} % of new connections${own.outcome === 'delivered' ? '' : `: ${own.outcome.replaceAll('_', ' ')}`}`,
          }))}
          value={String(chosen)}
          allowDeselect={false}
          onChange={(value) => set('path', value ?? '0')}
          maw={460}
        />
      )}
      {path !== undefined && <Walk path={path} at={Number(search.get('hop') ?? 0)} onStep={(hop) => set('hop', String(hop))} />}
      {trails.map(({ node, registryKey, lines }) => (
        <Card withBorder key={`${node} ${registryKey}`}>
          <Text fw={600} component="h2" mb={4}>
            How {node} knows where it lives
          </Text>
          {lines.map((line) => (
            <Text key={line} size="sm" className="mono">
              {line}
            </Text>
          ))}
        </Card>
      ))}
    </Stack>
  );
}
