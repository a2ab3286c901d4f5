import { Alert, Text } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';

interface Finding {
  readonly message: string;
  readonly fix: string;
}

/** As REST answers them; what is other is left out. */
function findingsOf(value: unknown): readonly Finding[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown): Finding[] => {
    if (typeof entry !== 'object' || entry === null || !('message' in entry)) return [];
    return [{ message: String(entry.message), fix: 'fix' in entry ? String(entry.fix) : '' }];
  });
}

/** What a person should know of the intent itself. */
export function Findings({ findings }: { readonly findings: unknown }) {
  return findingsOf(findings).map(({ message, fix }) => (
    <Alert key={message} color="orange" variant="light" icon={<IconInfoCircle />} title={message}>
      <Text size="sm">{fix}</Text>
    </Alert>
  ));
}
