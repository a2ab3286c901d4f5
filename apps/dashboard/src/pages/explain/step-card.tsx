import { ActionIcon, Badge, Card, Group, Text } from '@mantine/core';
import { IconArrowLeft, IconArrowRight } from '@tabler/icons-react';
import { StateBadge } from '../../parts/state-badge.js';
import { originOf } from '../nodes/compared.js';
import type { ShownHop } from './documents.js';
import { type Lane, laneTitles, placeText, words } from './lanes.js';
import { PacketTable } from './packet-table.js';
import { isAsWanted, type Step } from './stages.js';
import classes from './walk.module.css';

interface StepCardProps {
  readonly step: Step;
  readonly count: number;
  readonly isBoth: boolean;
  readonly onStep: (by: number) => void;
}

/** What happens at a step, and the packet there: once where both walks do the same, else of each. */
export function StepCard({ step, count, isBoth, onStep }: StepCardProps) {
  const { wanted, seen, index, isReply, place } = step;
  const isSame = !isBoth || isAsWanted(step);
  const rows: readonly { readonly lane: Lane | undefined; readonly hop: ShownHop | undefined }[] = isSame
    ? [{ lane: undefined, hop: seen ?? wanted }]
    : [
        { lane: 'wanted', hop: wanted },
        { lane: 'seen', hop: seen },
      ];
  return (
    <Card withBorder padding="sm" className={classes.current ?? ''} component="section" aria-label="This hop">
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <Group gap="xs">
          {[...new Set([wanted?.kind, seen?.kind])].map((kind) =>
            kind === undefined ? null : (
              <Badge key={kind} variant="light" tt="none" radius="sm">
                {words(kind)}
              </Badge>
            ),
          )}
          <Text size="sm" fw={600}>
            {placeText(place)}
            {deviceOf(step)}
          </Text>
          <Text size="sm" c="dimmed">
            {isReply ? 'answer' : 'request'}
          </Text>
          {!isSame && <StateBadge tone="bad">{differenceOf(step)}</StateBadge>}
        </Group>
        <Group gap={4} wrap="nowrap">
          <ActionIcon variant="default" onClick={() => onStep(-1)} disabled={index === 0} aria-label="Hop before">
            <IconArrowLeft size={16} />
          </ActionIcon>
          <Text size="sm" className="mono" miw={64} ta="center">
            {index + 1} / {count}
          </Text>
          <ActionIcon variant="default" onClick={() => onStep(1)} disabled={index === count - 1} aria-label="Next hop">
            <IconArrowRight size={16} />
          </ActionIcon>
        </Group>
      </Group>
      {rows.map(({ lane, hop }) => (
        <Text key={lane ?? ''} size="sm" mt={4} component="div">
          {lane !== undefined && (
            <Text span inherit c="dimmed">
              {laneTitles[lane]}:{' '}
            </Text>
          )}
          {hop?.text ?? 'nothing'}
          {hop != null && hop.object !== null && (
            <Text span size="xs" c="dimmed" className="mono" style={{ wordBreak: 'break-all' }}>
              {' '}
              {hop.object.key} {originOf(hop.object.origin)}
            </Text>
          )}
        </Text>
      ))}
      <PacketTable rows={rows.flatMap(({ lane, hop }) => (hop === undefined ? [] : [{ title: lane === undefined ? undefined : laneTitles[lane], hop }]))} />
    </Card>
  );
}

function differenceOf({ wanted, seen, isShared }: Step): string {
  if (seen === undefined) return 'not seen';
  if (wanted === undefined) return 'not wanted';
  return isShared ? 'another packet was seen' : 'something else was seen';
}

function deviceOf({ wanted, seen }: Step): string {
  const device = (seen ?? wanted)?.device ?? null;
  return device === null ? '' : `, ${device}`;
}
