import type { DumpSection, NamespaceDump } from './namespace.js';

/** Text that is no dump, or not a whole one. `line` counts from 1; 0: the fault is that something is not there. */
export interface DumpFault {
  readonly line: number;
  readonly message: string;
}

/** A dump that was read, and what of its text could not be. */
export interface ReadNamespace {
  readonly dump: NamespaceDump;
  /** In the order of the text. None: the dump is whole. */
  readonly faults: readonly DumpFault[];
  /**
   * Sections that are missing or not whole, in the order of a dump; each has a fault. What was read of them is in the dump, but what is not in it may have
   * been in the kernel all the same.
   */
  readonly absent: readonly DumpSection[];
}
