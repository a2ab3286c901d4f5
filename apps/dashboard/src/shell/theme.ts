import { createTheme, type MantineColorsTuple } from '@mantine/core';

/** Chart ink: the blue of the sea on an old chart. */
const ink: MantineColorsTuple = ['#eef5fa', '#dbe8f1', '#b4d0e3', '#8ab7d6', '#68a2ca', '#5295c3', '#448ec1', '#347aaa', '#286d99', '#0b4f79'];

export const theme = createTheme({
  respectReducedMotion: true,
  primaryColor: 'ink',
  primaryShade: { light: 8, dark: 5 },
  colors: { ink },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, monospace",
  headings: { fontFamily: "'Inter Variable', system-ui, sans-serif", fontWeight: '640' },
  defaultRadius: 'md',
  cursorType: 'pointer',
});

/** What colours mean, everywhere: names of Mantine's colours. */
export const tones = { good: 'teal', busy: 'ink', warn: 'orange', bad: 'red', idle: 'gray' } as const;
export type Tone = keyof typeof tones;
