import type { ReportOrder } from '@portolan/protocol';
import type { DesiredSource } from './desired.js';

/** Numbers reports, so that the control plane knows the latest one of the node whatever overtakes what on the way. */
export interface ReportNumbers {
  next(): ReportOrder;
  /** The control plane holds a later one: of an agent whose disk, or whose clock, is lost. */
  goOnAfter(latest: ReportOrder): void;
}

export function reportNumbers(source: () => Pick<DesiredSource, 'ledger' | 'beginAfter'>): ReportNumbers {
  let count = 0;
  return {
    next: () => {
      count += 1;
      return { start: source().ledger.start, count };
    },
    goOnAfter: ({ start }) => source().beginAfter(start),
  };
}
