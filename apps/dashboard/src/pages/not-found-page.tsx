import { Anchor, Stack, Text } from '@mantine/core';
import { Link } from 'react-router';
import { Page } from '../parts/page.js';

export function NotFoundPage() {
  return (
    <Stack p="xl">
      <Page title="There is no such page">
        <Text>
          <Anchor component={Link} to="/">
            All clusters
          </Anchor>
        </Text>
      </Page>
    </Stack>
  );
}
