import { AppShell, Burger, Group, NavLink, ScrollArea, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconCompass } from '@tabler/icons-react';
import { Suspense } from 'react';
import { Link, Outlet, useLocation, useParams } from 'react-router';
import { LiveCluster } from '../api/live.js';
import { Loading } from '../parts/loading.js';
import { ClusterMenu } from './cluster-menu.js';
import { ConnectionBadge } from './connection-badge.js';
import { KeysDialog } from './keys.js';
import { pages } from './pages.js';
import { Revisions } from './revisions.js';
import { SchemeToggle } from './scheme-toggle.js';
import { Search } from './search/search.js';
import { SignInGate } from './sign-in.js';

/** The frame of every page of a cluster: where one is, how far the cluster has come, and the way to the other pages. */
export function ClusterLayout() {
  const { cluster = '' } = useParams();
  const { pathname } = useLocation();
  const [opened, { toggle, close }] = useDisclosure();
  return (
    <SignInGate>
      <LiveCluster cluster={cluster} key={cluster}>
        <KeysDialog />
        <AppShell header={{ height: 52 }} navbar={{ width: 188, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="lg">
          <AppShell.Header px="md">
            <Group h="100%" justify="space-between" wrap="nowrap">
              <Group gap="sm" wrap="nowrap">
                <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Pages" />
                <UnstyledButton component={Link} to="/" aria-label="All clusters">
                  <Group gap={8} wrap="nowrap">
                    <IconCompass size={22} />
                    <Text fw={680} visibleFrom="xs">
                      Portolan
                    </Text>
                  </Group>
                </UnstyledButton>
                <ClusterMenu cluster={cluster} />
              </Group>
              <Group gap="sm" wrap="nowrap">
                <Search cluster={cluster} />
                <Revisions />
                <ConnectionBadge />
                <SchemeToggle />
              </Group>
            </Group>
          </AppShell.Header>
          <AppShell.Navbar p="xs">
            <ScrollArea component="nav" aria-label="Pages">
              {pages.map(({ to, label, icon: Icon }) => (
                <NavLink
                  key={to}
                  component={Link}
                  to={`/clusters/${encodeURIComponent(cluster)}/${to}`}
                  label={label}
                  leftSection={<Icon size={18} stroke={1.6} />}
                  active={pathname.split('/')[3] === to}
                  onClick={close}
                  style={{ borderRadius: 'var(--mantine-radius-md)' }}
                />
              ))}
            </ScrollArea>
          </AppShell.Navbar>
          <AppShell.Main>
            <Suspense fallback={<Loading />}>
              <Outlet />
            </Suspense>
          </AppShell.Main>
        </AppShell>
      </LiveCluster>
    </SignInGate>
  );
}
