import type { Chance } from './chance.js';

/** Everything that can go wrong in a simulated world. */
export const faultKinds = [
  'crash',
  'power-cut',
  'message-loss',
  'duplication',
  'delay',
  'partition',
  'replayed-answer',
  'store-failure',
  'store-outage',
  'queue-loss',
  'etcd-loss',
  'clock-jump',
  'tampering',
  'command-failure',
  'namespaces',
  'late-report',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Decides what goes wrong. Nothing does any more once `isOver` is set. */
export class Faults {
  isOver = false;

  constructor(
    private readonly chance: Chance,
    readonly kinds: ReadonlySet<FaultKind>,
    /** Multiplies every probability. */
    private readonly intensity: number,
  ) {}

  has(kind: FaultKind): boolean {
    return !this.isOver && this.kinds.has(kind);
  }

  happens(kind: FaultKind, probability: number): boolean {
    return this.has(kind) && this.chance.happens(probability * this.intensity);
  }
}
