import type { Kernel } from '@portolan/kernel';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';

export interface DoubtWatchOptions {
  readonly kernel: Pick<Kernel, 'doubts'>;
  readonly clock: Clock;
  readonly log: Log;
  /** A run is at work: what it writes would be doubted. */
  readonly isBusy: () => boolean;
  /** Something that was read may be other now. */
  readonly onDoubt: () => void;
}

/** Milliseconds between two looks at least; the second after one that led to a run: others may write all day. */
const PACE = { quiet: 250, doubted: 1_000 };
/** A look rests this many times as long as it took: at most a fiftieth of a processor goes into looking. */
const REST = 50;

/**
 * Looks again and again whether others changed the packet filters, IPVS or the links of our namespaces. No event tells of most of that, and a
 * look costs a few system calls a namespace. The answer is the function that ends it.
 */
export function watchDoubts({ kernel, clock, log, isBusy, onDoubt }: DoubtWatchOptions): () => void {
  let cancel: () => void;
  let hasFailed = false;

  function doubted(): boolean {
    try {
      const found = kernel.doubts();
      hasFailed = false;
      return found.size > 0;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, 'changes of rules cannot be watched; the timer finds them');
      hasFailed = true;
      return false;
    }
  }

  function look(): void {
    const start = clock.now();
    const found = !isBusy() && doubted();
    if (found) onDoubt();
    cancel = clock.after(Math.max(found ? PACE.doubted : PACE.quiet, REST * (clock.now() - start)), look);
  }

  cancel = clock.after(PACE.quiet, look);
  return () => cancel();
}
