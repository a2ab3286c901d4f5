import { BaseEdge, type Edge, type EdgeProps } from '@xyflow/react';
import classes from './drawing.module.css';
import { type Point, pathOf } from './layout.js';
import type { Line } from './topology.js';

export type LineContent = { readonly line: Line; readonly points: readonly Point[]; readonly isChosen: boolean };
export type LineEdge = Edge<LineContent, 'line'>;

/** A pair or a tunnel, along the corners that the layout gave it. */
export function DrawnLine({ data }: EdgeProps<LineEdge>) {
  if (data === undefined) return null;
  const { line, points, isChosen } = data;
  return (
    <g className={classes.line} data-kind={line.kind} data-comparison={line.comparison} data-chosen={isChosen || undefined}>
      <BaseEdge path={pathOf(points)} interactionWidth={0} />
    </g>
  );
}
