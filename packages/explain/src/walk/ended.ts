import type { ObjectRef, Outcome } from '../explanation.js';

/** Why a packet gets no further. */
export interface End {
  readonly outcome: Exclude<Outcome, 'delivered' | 'no-reply' | 'asymmetric'>;
  /** One sentence, for people. */
  readonly reason: string;
  readonly fix: string | null;
  /** What is to blame: an object that is there, or one that should be. */
  readonly object: ObjectRef | null;
}

/** The walk is over before the packet was delivered. It never leaves `pathsOf`. */
export class Ended extends Error {
  constructor(readonly end: End) {
    super(end.reason);
  }
}
