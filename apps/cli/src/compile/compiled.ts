import type { NamespaceDump } from '@portolan/dump';

/** The state of one node in each form that can be asked for; what is not asked for is not made. */
export interface Compiled {
  /** What of the manifest is not in it, and what to do about that: sentences for people. */
  readonly notes: readonly string[];
  /** To be printed as JSON. */
  readonly json: unknown;
  /** By name of the namespace; `host` first. */
  readonly dumps: () => ReadonlyMap<string, NamespaceDump>;
  /** A shell script. */
  readonly commands: () => string;
}
