import { alignedHops, type Slot } from './alignment.js';
import type { Headers, ShownHop, ShownPath } from './documents.js';

/** Which walks are drawn. */
export type Lanes = 'both' | 'wanted' | 'seen';

/** One step: what happens there in one walk or both. */
export interface Step extends Slot<ShownHop> {
  readonly index: number;
  readonly isReply: boolean;
  readonly place: ShownHop['place'];
}

/** Steps that follow one another in one namespace. */
export interface Stage {
  readonly place: ShownHop['place'];
  readonly steps: readonly Step[];
}

/** Stages that follow one another on one host; `node` is null outside and between hosts. */
export interface Visit {
  readonly node: string | null;
  readonly isReply: boolean;
  readonly stages: readonly Stage[];
}

export function stepsOf(wanted: ShownPath | undefined, seen: ShownPath | undefined): readonly Step[] {
  const forward = alignedHops(wanted?.forward ?? [], seen?.forward ?? []);
  const reply = alignedHops(wanted?.reply ?? [], seen?.reply ?? []);
  return [...forward, ...reply].flatMap((slot, index) => {
    const place = (slot.wanted ?? slot.seen)?.place;
    return place === undefined ? [] : [{ ...slot, index, place, isReply: index >= forward.length }];
  });
}

/** Whether the packet goes on from a step as it should. */
export function isAsWanted({ wanted, seen, isShared }: Step): boolean {
  return isShared && wanted !== undefined && seen !== undefined && headersText(wanted.after) === headersText(seen.after);
}

/** All of them, as they are compared. */
function headersText(headers: Headers): string {
  return JSON.stringify(headers);
}

/** Where two walks part: the first step that is not as it should be; undefined where they are the same. */
export function partingOf(steps: readonly Step[]): Step | undefined {
  return steps.find((step) => !isAsWanted(step));
}

export function visitsOf(steps: readonly Step[]): readonly Visit[] {
  const visits: { node: string | null; isReply: boolean; stages: { place: Stage['place']; steps: Step[] }[] }[] = [];
  for (const step of steps) {
    const { place, isReply } = step;
    const visit = visits.at(-1);
    const stage = visit?.stages.at(-1);
    const isHere = visit !== undefined && visit.isReply === isReply && visit.node === place.node;
    if (isHere && stage?.place.space === place.space) stage.steps.push(step);
    else if (isHere && place.node !== null) visit.stages.push({ place, steps: [step] });
    else visits.push({ node: place.node, isReply, stages: [{ place, steps: [step] }] });
  }
  return visits;
}
