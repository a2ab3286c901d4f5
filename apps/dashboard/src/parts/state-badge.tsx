import { Badge } from '@mantine/core';
import { type Tone, tones } from '../shell/theme.js';

/** A word for a state, in the colour that it has everywhere; the colour says nothing that the word does not. */
export function StateBadge({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  const color = tones[tone];
  // The library's own colour of light badges has too little contrast for small letters.
  const ink = `light-dark(var(--mantine-color-${color}-9), var(--mantine-color-${color}-2))`;
  return (
    <Badge variant="light" color={color} tt="none" fw={560} radius="sm" style={{ flex: 'none' }} styles={{ label: { color: ink } }}>
      {children}
    </Badge>
  );
}
