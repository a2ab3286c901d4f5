import { Group, Text } from '@mantine/core';
import { type Tone, tones } from '../../shell/theme.js';
import classes from './card.module.css';

const meanings: readonly (readonly [tone: Tone, meaning: string])[] = [
  ['good', 'well'],
  ['busy', 'there, or on its way to the newest revision'],
  ['warn', 'in part'],
  ['bad', 'ailing'],
  ['idle', 'nothing known'],
];

/** What the colours of edges and cells say; each card says it in a word as well. */
export function Legend() {
  return (
    <Group gap="sm" className={classes.legend ?? ''}>
      {meanings.map(([tone, meaning]) => (
        <Group key={tone} gap={5} wrap="nowrap">
          <span className={classes.swatch} style={{ background: `var(--mantine-color-${tones[tone]}-6)` }} />
          <Text size="xs" c="dimmed">
            {meaning}
          </Text>
        </Group>
      ))}
    </Group>
  );
}
