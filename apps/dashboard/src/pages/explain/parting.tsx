import { Button, Card, Group, Stack, Text } from '@mantine/core';
import { StateBadge } from '../../parts/state-badge.js';
import { originOf } from '../nodes/compared.js';
import type { Explained } from './documents.js';
import { placeText } from './lanes.js';
import type { Step } from './stages.js';

/** Divergences that are named one by one. */
const MOST_NAMED = 8;

/** Where the kernels do something else than they should, and what in them is not as it should be: what the verdict changes by comes first. */
export function Parting({
  at,
  divergences,
  onLook,
}: {
  readonly at: Step | undefined;
  readonly divergences: Explained['divergences'];
  readonly onLook: (step: number) => void;
}) {
  return (
    <Card withBorder component="section" aria-label="Where they part">
      <Stack gap={6}>
        <Group justify="space-between" gap="sm">
          <Text fw={600} component="h2">
            {at === undefined ? 'Not as it should be on the way' : `They part in ${placeText(at.place)}`}
          </Text>
          {at !== undefined && (
            <Button size="compact-sm" variant="default" onClick={() => onLook(at.index)}>
              Look at hop {at.index + 1}
            </Button>
          )}
        </Group>
        {divergences.length === 0 && (
          <Text size="sm" c="dimmed">
            No object on the way is other than it should be.
          </Text>
        )}
        {[...divergences]
          .sort((a, b) => Number(b.decisive) - Number(a.decisive))
          .slice(0, MOST_NAMED)
          .map(({ object, difference, decisive, text }) => (
            <Text key={`${object.node} ${object.key}`} size="sm" component="div" title={text}>
              <StateBadge tone={decisive ? 'bad' : 'warn'}>{difference}</StateBadge> {object.node}{' '}
              <span className="mono" style={{ wordBreak: 'break-all' }}>
                {object.key}
              </span>{' '}
              {decisive && (
                <Text span c="dimmed" size="sm">
                  {originOf(object.origin)}; this decides it
                </Text>
              )}
            </Text>
          ))}
        {divergences.length > MOST_NAMED && (
          <Text size="sm" c="dimmed">
            and {divergences.length - MOST_NAMED} more
          </Text>
        )}
      </Stack>
    </Card>
  );
}
