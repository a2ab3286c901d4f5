import { Alert, Code, Text } from '@mantine/core';
import { tones } from '../../shell/theme.js';
import { originOf } from '../nodes/compared.js';
import type { Explained, ShownVerdict } from './documents.js';
import { laneTitles, words } from './lanes.js';

interface VerdictAlertProps {
  readonly wanted: Explained | undefined;
  readonly seen: Explained | undefined;
  /** Whether both walks are the same, each hop of each path. */
  readonly isSame: boolean;
}

/** What becomes of the packet in the kernels as they were seen, and whether that is as it should be; one of both where only one is asked for. */
export function VerdictAlert({ wanted, seen, isSame }: VerdictAlertProps) {
  const shown = seen ?? wanted;
  if (shown === undefined) return null;
  const { verdict, resolution } = shown;
  const isGood = verdict.outcome === 'delivered';
  return (
    <Alert color={tones[isGood ? 'good' : 'bad']} variant="light" title={titleOf(verdict)} role="status" py="sm">
      <Text size="sm">{verdict.reason}</Text>
      {verdict.object !== null && !isGood && (
        <Text size="sm">
          Because of <Code style={{ wordBreak: 'break-all' }}>{verdict.object.key}</Code> on {verdict.object.node}
          {originOf(verdict.object.origin) === '' ? '' : `, which is there for ${originOf(verdict.object.origin)}`}.
        </Text>
      )}
      {verdict.fix !== null && !isGood && (
        <Text size="sm" fw={560}>
          {verdict.fix}
        </Text>
      )}
      {wanted !== undefined && seen !== undefined && (
        <Text size="sm" mt={4}>
          {comparison(wanted.verdict, seen.verdict, isSame)}
        </Text>
      )}
      {resolution !== null && (
        <Text size="sm" c="dimmed">
          {resolution.text}
        </Text>
      )}
    </Alert>
  );
}

function comparison(wanted: ShownVerdict, seen: ShownVerdict, isSame: boolean): string {
  if (isSame) return 'As it was seen in the kernels: the same.';
  if (wanted.outcome === seen.outcome && wanted.to === seen.to) return `${laneTitles.wanted}: the same end, by another way.`;
  return `${laneTitles.wanted}: ${titleOf(wanted)}${wanted.outcome === 'delivered' ? '' : `, ${wanted.reason}`}.`;
}

function titleOf({ outcome, to }: ShownVerdict): string {
  return `${words(outcome)}${to == null ? '' : ` to ${to}`}`;
}
