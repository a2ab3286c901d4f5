import type { ObservedObject, Space } from '@portolan/node-state';

/** What a scanner recognised in the output of one tool in one namespace. */
export interface Scan {
  readonly objects: readonly ObservedObject[];
  /** Lines in a namespace of our own that are not ours. Always empty for `host` and endpoints' namespaces. */
  readonly foreign: readonly string[];
}

export type Scanner = (space: Space, output: string) => Scan;
