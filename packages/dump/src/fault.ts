/** Text that is no dump, or not a whole one. `line` counts from 1. */
export interface DumpFault {
  readonly line: number;
  readonly message: string;
}

/** A dump that was read, and what of its text could not be. A section that is not there is a fault of line 0 and is named in `absent`. */
export interface ReadDump<D> {
  readonly dump: D;
  readonly faults: readonly DumpFault[];
}
