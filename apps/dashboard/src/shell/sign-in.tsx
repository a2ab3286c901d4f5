import { Button, Card, Center, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useQuery } from 'urql';
import { ClustersDocument } from '../api/clusters.js';
import { useSignIn } from '../api/provider.js';
import { heldToken } from '../api/token.js';
import { Command } from '../parts/command.js';

const refused: ReadonlySet<unknown> = new Set(['unauthorized', 'forbidden']);

/** Lets through who may read; asks everybody else for a token. */
export function SignInGate({ children }: { readonly children: ReactNode }) {
  const [{ error }] = useQuery({ query: ClustersDocument });
  const isRefused = error?.graphQLErrors.some(({ extensions }) => refused.has(extensions.code)) === true || error?.response?.status === 401;
  return isRefused ? <SignIn /> : children;
}

function SignIn() {
  const signIn = useSignIn();
  const [token, setToken] = useState('');
  return (
    <Center mih="100vh" p="md">
      <Card withBorder maw={460} w="100%" p="lg">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            signIn(token.trim());
          }}
        >
          <Stack>
            <Title order={1} size="h3">
              Portolan
            </Title>
            <PasswordInput
              label="API token"
              description="Kept in this tab only."
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              error={heldToken() === null ? undefined : 'This token is not accepted.'}
              data-autofocus
              autoFocus
            />
            <Button type="submit" disabled={token.trim() === ''}>
              Sign in
            </Button>
            <Text size="sm" c="dimmed">
              Who may make tokens makes one by
            </Text>
            <Command>portolan token create --role viewer --ttl 8h</Command>
          </Stack>
        </form>
      </Card>
    </Center>
  );
}
