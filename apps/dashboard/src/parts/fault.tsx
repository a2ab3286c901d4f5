import { Alert, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { CombinedError } from 'urql';

interface Problem {
  readonly message: string;
  readonly fix: string | undefined;
}

/** What the control plane says is wrong, and what to do about it. */
function problemsOf(error: CombinedError): readonly Problem[] {
  if (error.networkError) return [{ message: 'The control plane does not answer.', fix: 'This page goes on by itself as soon as it does.' }];
  return error.graphQLErrors.map(({ message, extensions }) => ({ message, fix: typeof extensions.fix === 'string' ? extensions.fix : undefined }));
}

export function Fault({ error }: { readonly error: CombinedError }) {
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle />} title="This could not be read" role="alert">
      {problemsOf(error).map(({ message, fix }) => (
        <Text key={message} size="sm">
          {message}
          {fix === undefined ? '' : ` ${fix}`}
        </Text>
      ))}
    </Alert>
  );
}
