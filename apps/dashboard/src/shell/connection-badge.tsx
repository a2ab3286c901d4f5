import { Tooltip } from '@mantine/core';
import { useConnection } from '../api/connection.js';
import { StateBadge } from '../parts/state-badge.js';

const shown = {
  opening: { tone: 'idle', word: 'connecting', why: 'Waiting for the control plane.' },
  live: { tone: 'good', word: 'live', why: 'Everything on this page follows what moves.' },
  lost: { tone: 'bad', word: 'connection lost', why: 'What is shown may be old. It goes on by itself as soon as the control plane answers.' },
} as const;

export function ConnectionBadge() {
  const { tone, word, why } = shown[useConnection()];
  return (
    <Tooltip label={why}>
      <span role="status" aria-live="polite">
        <StateBadge tone={tone}>{word}</StateBadge>
      </span>
    </Tooltip>
  );
}
