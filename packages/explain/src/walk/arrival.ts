import type { SpaceView } from './space.js';

/** A packet that a device has received and that the IP stack of its namespace gets next. */
export interface Arrival {
  readonly view: SpaceView;
  readonly link: string;
  /** The link shows it after translation of addresses only: a bridge with br_netfilter, whose port has shown it before. */
  readonly isShownLate?: boolean;
}

/** Somebody has it. `view`: null outside the cluster. */
export interface Delivered {
  readonly view: SpaceView | null;
  /** `endpoint web.1`, `host node1`, `outside 192.0.2.1` */
  readonly to: string;
}

export type Progress = Arrival | Delivered;

export function isDelivered(progress: Progress): progress is Delivered {
  return 'to' in progress;
}
