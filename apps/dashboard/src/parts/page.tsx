import { Box, Group, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import type { Live } from '../api/live.js';
import { Fault } from './fault.js';
import { Loading } from './loading.js';

/** Title, a line that says what is seen here, and what can be done at the right. */
export function Page({
  title,
  about,
  actions,
  children,
}: {
  readonly title: string;
  readonly about?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Portolan`;
  }, [title]);
  return (
    <Stack gap="md" component="section" aria-label={title}>
      <Group justify="space-between" align="flex-end" wrap="wrap" gap="sm">
        <Box>
          <Title order={1} size="h2">
            {title}
          </Title>
          {about !== undefined && (
            <Text c="dimmed" size="sm" component="div">
              {about}
            </Text>
          )}
        </Box>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

/** What a query answered; until then that it loads, or why it cannot be read. An answer that is there stays in sight of an error. */
export function Answer<Data>({ live, children }: { readonly live: Live<Data>; readonly children: (data: Data) => ReactNode }) {
  return (
    <>
      {live.error !== undefined && <Fault error={live.error} />}
      {live.data !== undefined ? children(live.data) : live.error === undefined && <Loading />}
    </>
  );
}
