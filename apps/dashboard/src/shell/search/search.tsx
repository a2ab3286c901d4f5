import { Button, Combobox, Kbd, Modal, ScrollArea, Text, TextInput, useCombobox } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { IconAffiliate, IconBox, IconFileText, IconMapPin, IconRoute, IconSearch, IconServer2, IconStack2 } from '@tabler/icons-react';
import { useEffect, useMemo, useState } from 'react';
import { useNavigate } from 'react-router';
import { useQuery } from 'urql';
import { useKey } from '../use-key.js';
import { SearchDocument } from './documents.js';
import { type Entry, entriesOf, type Kind } from './entries.js';
import { foundOf } from './found.js';
import classes from './search.module.css';

const shownKinds: Readonly<Record<Kind, { readonly title: string; readonly icon: typeof IconSearch }>> = {
  page: { title: 'Pages', icon: IconFileText },
  node: { title: 'Nodes', icon: IconServer2 },
  service: { title: 'Services', icon: IconStack2 },
  network: { title: 'Networks', icon: IconAffiliate },
  endpoint: { title: 'Endpoints', icon: IconBox },
  address: { title: 'Addresses', icon: IconMapPin },
  explain: { title: 'Explain', icon: IconRoute },
};

/** The button in the header, its keys, and what they open: finds everything of a cluster by what is typed, and goes there. */
export function Search({ cluster }: { readonly cluster: string }) {
  const [opened, { open, close, toggle }] = useDisclosure();
  useHotkeys([['mod+K', toggle]], []);
  useKey('/', open);
  return (
    <>
      <Button
        variant="default"
        size="compact-md"
        fw={400}
        fz="sm"
        leftSection={<IconSearch size={14} />}
        rightSection={<Kbd size="xs">Ctrl K</Kbd>}
        onClick={open}
        aria-label="Search everything"
        aria-keyshortcuts="Control+K /"
        visibleFrom="sm"
      >
        Search
      </Button>
      <Modal
        opened={opened}
        onClose={close}
        withCloseButton={false}
        padding={0}
        size={640}
        yOffset={80}
        aria-label="Search everything"
        transitionProps={{ duration: 0 }}
      >
        <SearchBox cluster={cluster} close={close} />
      </Modal>
    </>
  );
}

/** It is there only while the search is open, so nothing is asked of the control plane before. */
function SearchBox({ cluster, close }: { readonly cluster: string; readonly close: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [{ data, error, fetching }] = useQuery({ query: SearchDocument, variables: { cluster }, requestPolicy: 'cache-and-network' });
  const entries = useMemo(() => entriesOf(data?.cluster), [data]);
  const groups = useMemo(() => foundOf(entries, text), [entries, text]);
  const combobox = useCombobox({ opened: true, onDropdownClose: close });
  const { selectFirstOption } = combobox;
  // The best is chosen, also when it is found later than what was typed; what is found again stays as it was chosen.
  const shown = groups.flatMap(({ entries: own }) => own.map(({ id }) => id)).join('\n');
  useEffect(() => {
    if (shown !== '') selectFirstOption();
  }, [shown, selectFirstOption]);
  const go = (id: string): void => {
    const entry = groups.flatMap(({ entries: own }) => own).find((own) => own.id === id);
    if (entry === undefined) return;
    close();
    void navigate(`/clusters/${encodeURIComponent(cluster)}/${entry.to}`);
  };
  return (
    <Combobox store={combobox} onOptionSubmit={go}>
      <Combobox.EventsTarget>
        <TextInput
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          placeholder="A page, node, service, endpoint, network, VIP or address"
          aria-label="What to find"
          leftSection={<IconSearch size={18} stroke={1.6} />}
          size="lg"
          variant="unstyled"
          data-autofocus
          classNames={{ wrapper: classes.field ?? '' }}
        />
      </Combobox.EventsTarget>
      <ScrollArea.Autosize mah={440} type="auto">
        <Combobox.Options p={6}>
          {groups.map(({ kind, entries: own, further }) => (
            <Combobox.Group
              key={kind}
              label={further === 0 ? shownKinds[kind].title : `${shownKinds[kind].title}, the first ${own.length} of ${own.length + further}`}
            >
              {own.map((entry) => (
                <FoundOption key={entry.id} entry={entry} />
              ))}
            </Combobox.Group>
          ))}
          {groups.length === 0 && <Combobox.Empty>{emptyWords({ isKnown: data !== undefined, isFaulty: error !== undefined, fetching })}</Combobox.Empty>}
        </Combobox.Options>
      </ScrollArea.Autosize>
      <Text size="xs" c="dimmed" px="md" py={8} className={classes.foot ?? ''}>
        <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose · <Kbd size="xs">Enter</Kbd> go there · <Kbd size="xs">Esc</Kbd> close
      </Text>
    </Combobox>
  );
}

function FoundOption({ entry: { id, kind, title, detail } }: { readonly entry: Entry }) {
  const Icon = shownKinds[kind].icon;
  return (
    <Combobox.Option value={id} className={classes.option ?? ''}>
      <Icon size={18} stroke={1.6} className={classes.icon} />
      <span className={kind === 'address' ? 'mono' : undefined}>{title}</span>
      <Text span size="xs" c="dimmed" truncate>
        {detail}
      </Text>
    </Combobox.Option>
  );
}

function emptyWords({ isKnown, isFaulty, fetching }: { readonly isKnown: boolean; readonly isFaulty: boolean; readonly fetching: boolean }): string {
  if (isFaulty) return 'The control plane does not answer.';
  return !isKnown && fetching ? 'Looking …' : 'Nothing is like that.';
}
