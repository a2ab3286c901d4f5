import { Badge } from '@mantine/core';
import { type Tone, tones } from '../shell/theme.js';

/** A word for a state, in the colour that it has everywhere; the colour says nothing that the word does not. */
export function StateBadge({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <Badge variant="light" color={tones[tone]} tt="none" fw={560} radius="sm">
      {children}
    </Badge>
  );
}
