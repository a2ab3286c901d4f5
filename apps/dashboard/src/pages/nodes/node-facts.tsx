import { Alert, Code, Stack, Table, Text } from '@mantine/core';
import { Ago } from '../../parts/ago.js';
import type { ShownNode } from './compared.js';

/** What the agent says of itself and of its host, and what it could not do. */
export function NodeFacts({ status }: { readonly status: ShownNode['status'] }) {
  const facts = typeof status.facts === 'object' && status.facts !== null ? Object.entries(status.facts) : [];
  return (
    <Stack>
      {status.lastErrors.map(({ code, message, fix, key, command }) => (
        <Alert key={message} color="red" variant="light" title={message}>
          <Stack gap={4}>
            <Text size="sm">
              {fix} ({code}
              {key == null ? '' : `, ${key}`})
            </Text>
            {command != null && <Code block>{`${command.command}\nexit code ${command.exitCode}\n${command.stderr}`}</Code>}
          </Stack>
        </Alert>
      ))}
      <Table verticalSpacing={4} fz="sm" maw={720}>
        <Table.Tbody>
          <Table.Tr>
            <Table.Td>Last report</Table.Td>
            <Table.Td>{status.lastReportAt === null ? 'never' : <Ago at={status.lastReportAt} />}</Table.Td>
          </Table.Tr>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Td>{name}</Table.Td>
              <Table.Td className="mono">{String(value)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}
