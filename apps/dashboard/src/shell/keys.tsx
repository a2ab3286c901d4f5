import { Kbd, Modal, Table } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useKey } from './use-key.js';

/** What keys do, on every page; `?` shows it. */
const keys: readonly { readonly keys: readonly string[]; readonly does: string }[] = [
  { keys: ['Ctrl K', '/'], does: 'Search everything' },
  { keys: ['↑', '↓', 'Enter'], does: 'In the search: choose, and go there' },
  { keys: ['Tab', 'Shift Tab'], does: 'To the next or previous thing that can be chosen, also in drawings' },
  { keys: ['Enter', 'Space'], does: 'Choose it' },
  { keys: ['←', '→'], does: 'On an explanation: one hop back or on; on tabs: the next one' },
  { keys: ['Esc'], does: 'Close what is open' },
  { keys: ['?'], does: 'Show this' },
];

export function KeysDialog() {
  const [opened, { toggle, close }] = useDisclosure();
  useKey('?', toggle);
  return (
    <Modal opened={opened} onClose={close} title="Keys" centered>
      <Table verticalSpacing={6} fz="sm">
        <Table.Tbody>
          {keys.map(({ keys: own, does }) => (
            <Table.Tr key={does}>
              <Table.Td style={{ whiteSpace: 'nowrap' }}>
                {own.map((key) => (
                  <Kbd key={key} size="sm" mr={4}>
                    {key}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{does}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
