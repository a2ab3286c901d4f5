import { UnstyledButton } from '@mantine/core';
import { IconArrowDown } from '@tabler/icons-react';
import { Handle, type Node, type NodeProps, Position } from '@xyflow/react';
import { StateBadge } from '../../../parts/state-badge.js';
import { differs } from '../compared.js';
import classes from './drawing.module.css';
import type { PlacedBox, PlacedDevice } from './geometry.js';
import { type Box, comparisonWords } from './topology.js';

export type BoxContent = {
  readonly placed: PlacedBox;
  readonly isChosen: boolean;
  readonly choose: () => void;
  /** When the keyboard comes to it. */
  readonly show: () => void;
};
export type BoxNode = Node<BoxContent, 'namespace'>;

/** One namespace, which is a button: its devices where their lines begin, its name, and what else is in it. */
export function NamespaceBox({ data: { placed, isChosen, choose, show } }: NodeProps<BoxNode>) {
  const { box, width, height, devices, text, counts, inner } = placed;
  const state = stateOf(box);
  const underlay = devices.find(({ kind }) => kind === 'underlay');
  return (
    <>
      <Handle type="target" position={Position.Top} className={classes.handle ?? ''} />
      <UnstyledButton
        className={classes.box}
        style={{ width, height }}
        onClick={choose}
        onFocus={(event) => event.currentTarget.matches(':focus-visible') && show()}
        aria-pressed={isChosen}
        aria-label={`${box.title}, ${state ?? comparisonWords[box.comparison]}`}
        data-level={box.level}
        data-comparison={box.comparison}
        data-chosen={isChosen || undefined}
      >
        {inner !== null && (
          <span className={classes.inner} data-comparison={inner.comparison} style={{ left: inner.x, top: inner.from, height: inner.to - inner.from }} />
        )}
        {devices.map((device) => (
          <DeviceChip key={device.name} device={device} />
        ))}
        {underlay !== undefined && (
          <span className={classes.out} style={{ left: underlay.x, top: underlay.y + underlay.height, width: underlay.width }}>
            <IconArrowDown size={20} stroke={1.8} />
          </span>
        )}
        <div className={classes.text} style={{ left: text.x, top: text.y, width: text.width }}>
          <div className={classes.title}>
            {box.title}
            {state !== undefined && <StateBadge tone="bad">{state}</StateBadge>}
          </div>
          {box.name !== null && <div className={classes.name}>{box.name}</div>}
          {counts.map((line) => (
            <div key={line[0]?.text} className={classes.counts}>
              {line.map(({ text: said, isDifferent }, index) => (
                <span key={said} data-different={isDifferent || undefined}>
                  {index > 0 && ' · '}
                  {said}
                </span>
              ))}
            </div>
          ))}
        </div>
      </UnstyledButton>
      <Handle type="source" position={Position.Bottom} className={classes.handle ?? ''} />
    </>
  );
}

/** What is wrong with a namespace, if anything is. */
function stateOf({ comparison, differences }: Box): string | undefined {
  if (differs({ comparison })) return comparisonWords[comparison];
  return differences === 0 ? undefined : `${differences} ${differences === 1 ? 'differs' : 'differ'}`;
}

function DeviceChip({ device }: { readonly device: PlacedDevice }) {
  const { name, kind, mtu, notes, comparison, x, y, width, height } = device;
  return (
    <div className={classes.device} data-kind={kind} data-comparison={comparison} style={{ left: x, top: y, width, height }}>
      <div className={classes.first}>
        <b>{name}</b>
        {kind === 'bridge' &&
          notes.map((note) => (
            <span key={note.text} data-comparison={note.comparison}>
              {note.text}
            </span>
          ))}
        {mtu !== null && <span className={classes.mtu}>MTU {mtu}</span>}
      </div>
      {kind !== 'bridge' &&
        notes.map((note) => (
          <div key={note.text} className={classes.note} data-comparison={note.comparison}>
            {note.text}
          </div>
        ))}
    </div>
  );
}
