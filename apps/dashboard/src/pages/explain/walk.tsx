import { ActionIcon, Badge, Card, Group, Table, Text, UnstyledButton } from '@mantine/core';
import { useWindowEvent } from '@mantine/hooks';
import { IconArrowLeft, IconArrowRight } from '@tabler/icons-react';
import { originOf } from '../nodes/compared.js';
import type { Headers, ShownHop, ShownPath } from './documents.js';
import classes from './walk.module.css';

interface Stage {
  readonly place: ShownHop['place'];
  readonly hops: readonly { readonly hop: ShownHop; readonly index: number }[];
  readonly isReply: boolean;
}

/** Hops that follow one another in one namespace. */
function stagesOf({ forward, reply }: ShownPath): readonly Stage[] {
  const stages: { place: Stage['place']; hops: { hop: ShownHop; index: number }[]; isReply: boolean }[] = [];
  for (const [index, hop] of [...forward, ...reply].entries()) {
    const isReply = index >= forward.length;
    const last = stages.at(-1);
    const isSame = last !== undefined && last.isReply === isReply && last.place.node === hop.place.node && last.place.space === hop.place.space;
    if (isSame) last.hops.push({ hop, index });
    else stages.push({ place: hop.place, hops: [{ hop, index }], isReply });
  }
  return stages;
}

/** A path drawn over the namespaces that it passes, with the packet at the hop that is looked at; the arrow keys step through it. */
export function Walk({ path, at, onStep }: { readonly path: ShownPath; readonly at: number; readonly onStep: (hop: number) => void }) {
  const hops = [...path.forward, ...path.reply];
  const chosen = Math.min(Math.max(at, 0), Math.max(0, hops.length - 1));
  const step = (by: number): void => onStep(Math.min(Math.max(chosen + by, 0), hops.length - 1));
  useWindowEvent('keydown', ({ key, target }) => {
    if (target instanceof HTMLInputElement || hops.length === 0) return;
    if (key === 'ArrowRight') step(1);
    if (key === 'ArrowLeft') step(-1);
  });
  const hop = hops[chosen];
  if (hop === undefined) return null;
  const stages = stagesOf(path);
  return (
    <>
      <Card withBorder padding="sm" className={classes.current ?? ''}>
        <Group justify="space-between" align="flex-start" wrap="nowrap">
          <div>
            <Group gap="xs">
              <Badge variant="light" tt="none" radius="sm">
                {hop.kind.replaceAll('_', ' ')}
              </Badge>
              <Text size="sm" fw={600}>
                {hop.place.node === null ? hop.place.title : `${hop.place.node}, ${hop.place.title}`}
                {hop.device === null ? '' : `, ${hop.device}`}
              </Text>
              <Text size="sm" c="dimmed">
                {chosen >= path.forward.length ? 'answer' : 'request'}
              </Text>
            </Group>
            <Text size="sm" mt={4}>
              {hop.text}
            </Text>
            {hop.object !== null && (
              <Text size="xs" c="dimmed" className="mono" style={{ wordBreak: 'break-all' }}>
                {hop.object.key} {originOf(hop.object.origin)}
              </Text>
            )}
          </div>
          <Group gap={4} wrap="nowrap">
            <ActionIcon variant="default" onClick={() => step(-1)} disabled={chosen === 0} aria-label="Hop before">
              <IconArrowLeft size={16} />
            </ActionIcon>
            <Text size="sm" className="mono" miw={64} ta="center">
              {chosen + 1} / {hops.length}
            </Text>
            <ActionIcon variant="default" onClick={() => step(1)} disabled={chosen === hops.length - 1} aria-label="Next hop">
              <IconArrowRight size={16} />
            </ActionIcon>
          </Group>
        </Group>
        <PacketTable before={hop.before} after={hop.after} />
      </Card>
      {[false, true].map((isReply) => (
        <div key={String(isReply)}>
          <Text size="xs" fw={600} c="dimmed" mb={4}>
            {isReply ? 'The answer' : 'The request'}
          </Text>
          <ol className={classes.stages}>
            {stages
              .filter((stage) => stage.isReply === isReply)
              .map((stage) => (
                <li key={stage.hops[0]?.index} className={classes.stage}>
                  <Text size="sm" fw={600} truncate title={stage.place.title}>
                    {stage.place.title}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {stage.place.node ?? ' '}
                  </Text>
                  {stage.hops.map(({ hop: own, index }) => (
                    <UnstyledButton
                      key={index}
                      className={classes.hop}
                      data-chosen={index === chosen || undefined}
                      onClick={() => onStep(index)}
                      title={own.text}
                    >
                      <span>{own.kind.replaceAll('_', ' ')}</span>
                      <span className={classes.device}>{own.device ?? ''}</span>
                    </UnstyledButton>
                  ))}
                </li>
              ))}
          </ol>
        </div>
      ))}
    </>
  );
}

const fields: readonly (readonly [title: string, value: (headers: Headers) => string])[] = [
  ['Source', ({ source, sourcePort }) => endOf(source, sourcePort)],
  ['Destination', ({ destination, destinationPort }) => endOf(destination, destinationPort)],
  ['Protocol', ({ transport }) => transport],
  ['TTL', ({ ttl }) => String(ttl)],
  ['Mark', ({ mark }) => (mark === 0 ? '' : `0x${mark.toString(16)} = ${mark}`)],
  ['Bytes', ({ size }) => String(size)],
  ['In UDP', ({ outer }) => (outer === null ? '' : `${outer.source} → ${outer.destination}:${outer.port}${outer.vni === null ? '' : `, VNI ${outer.vni}`}`)],
];

function endOf(address: string, port: number | null): string {
  return port === null ? address : `${address}:${port}`;
}

/** The headers after a hop; what the hop changed stands out, with what it was. */
function PacketTable({ before, after }: { readonly before: Headers; readonly after: Headers }) {
  return (
    <Table.ScrollContainer minWidth={760}>
      <Table fz="sm" verticalSpacing={4} mt="xs" withColumnBorders>
        <Table.Thead>
          <Table.Tr>
            {fields.map(([title]) => (
              <Table.Th key={title}>{title}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          <Table.Tr>
            {fields.map(([title, value]) => {
              const [was, is] = [value(before), value(after)];
              return (
                <Table.Td key={title} className="mono" data-changed={was !== is || undefined}>
                  {was === is ? (
                    is
                  ) : (
                    <>
                      <Text span inherit td="line-through" c="dimmed">
                        {was}
                      </Text>{' '}
                      <strong>{is === '' ? 'none' : is}</strong>
                    </>
                  )}
                </Table.Td>
              );
            })}
          </Table.Tr>
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
