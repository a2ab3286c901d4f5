import { Group, Text } from '@mantine/core';
import { IconAffiliate, IconFlag, IconServer2, IconStack2, IconSubtask } from '@tabler/icons-react';
import { Handle, type NodeProps, Position } from '@xyflow/react';
import { StateBadge } from '../../parts/state-badge.js';
import { tones } from '../../shell/theme.js';
import classes from './card.module.css';
import { type Card, CELLS_IN_ROW } from './graph.js';

const icons = { host: IconServer2, network: IconAffiliate, service: IconStack2, port: IconFlag, subnet: IconSubtask } as const;

export function ChartCard({ data, selected }: NodeProps<Card>) {
  const Icon = icons[data.kind];
  return (
    <div
      className={classes.card}
      data-kind={data.kind}
      data-selected={selected || undefined}
      data-group={data.cells.length > 0 || undefined}
      style={{ borderLeftColor: `var(--mantine-color-${tones[data.tone]}-6)` }}
    >
      <Handle type="target" position={Position.Left} className={classes.handle ?? ''} />
      <Group justify="space-between" wrap="nowrap" gap={6}>
        <Group gap={6} wrap="nowrap" miw={0}>
          <Icon size={16} stroke={1.6} style={{ flex: 'none' }} />
          <Text fw={620} size="sm" truncate title={data.title}>
            {data.title}
          </Text>
        </Group>
        {data.kind !== 'port' && data.cells.length === 0 && <StateBadge tone={data.tone}>{data.word}</StateBadge>}
      </Group>
      {data.cells.length > 0 && (
        <Group justify="space-between" wrap="nowrap" gap={6}>
          <Text size="xs" c="dimmed">
            {data.lines[0]}
          </Text>
          <StateBadge tone={data.tone}>{data.word}</StateBadge>
        </Group>
      )}
      {(data.cells.length > 0 ? [] : data.lines).map((line) => (
        <Text key={line} className="mono" size="xs" c="dimmed" truncate title={line}>
          {line}
        </Text>
      ))}
      {data.cells.length > 0 && (
        <div className={classes.cells} style={{ gridTemplateColumns: `repeat(${CELLS_IN_ROW}, 1fr)` }}>
          {data.cells.map(({ name, tone }) => (
            <span key={name} title={name} style={{ background: `var(--mantine-color-${tones[tone]}-6)` }} />
          ))}
        </div>
      )}
      <Handle type="source" position={Position.Right} className={classes.handle ?? ''} />
    </div>
  );
}
