import { Badge, Group, Text, UnstyledButton } from '@mantine/core';
import { StateBadge } from '../../parts/state-badge.js';
import type { Compared } from './compared.js';
import classes from './namespace-card.module.css';

const linkKinds: ReadonlySet<string> = new Set(['veth', 'bridge', 'vxlan', 'flannel-vtep', 'udp-relay']);

/** One namespace in the drawing: its name, its devices with their addresses, and whether it is as it should be. */
export function NamespaceCard({
  title,
  name,
  objects,
  arriving,
  isChosen,
  onChoose,
}: {
  readonly title: string;
  readonly name: string;
  readonly objects: readonly Compared[];
  readonly arriving: readonly string[];
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}) {
  const differences = objects.filter(({ comparison }) => comparison !== 'same').length;
  const links = [...new Set([...objects.filter(({ kind }) => linkKinds.has(kind)).map(({ key }) => key.split('/').slice(2).join('/')), ...arriving])];
  const addresses = new Map<string, string[]>();
  for (const { kind, key } of objects) {
    const [, , link = '', address = ''] = kind === 'address' ? key.split('/') : [];
    if (address !== '') addresses.set(link, [...(addresses.get(link) ?? []), address]);
  }
  return (
    <UnstyledButton className={classes.card} data-chosen={isChosen || undefined} onClick={onChoose} aria-pressed={isChosen}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text fw={600} size="sm" truncate>
          {title}
        </Text>
        <StateBadge tone={differences === 0 ? 'good' : 'bad'}>{differences === 0 ? 'as wanted' : `${differences} differ`}</StateBadge>
      </Group>
      {name !== 'host' && (
        <Text className="mono" size="xs" c="dimmed" truncate>
          {name}
        </Text>
      )}
      <Group gap={4} mt={6}>
        {links.slice(0, 8).map((link) => (
          <Badge key={link} variant="default" tt="none" radius="sm" fw={500} size="sm" className="mono" maw="100%">
            {link}
            {addresses.has(link) ? ` ${addresses.get(link)?.[0]}${(addresses.get(link)?.length ?? 0) > 1 ? ' …' : ''}` : ''}
          </Badge>
        ))}
        {links.length > 8 && (
          <Text size="xs" c="dimmed">
            and {links.length - 8} more
          </Text>
        )}
      </Group>
    </UnstyledButton>
  );
}
