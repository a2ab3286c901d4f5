import type { Id } from '@portolan/model';
import type { DnsChange } from './changes.js';

/** What the thread of the name server is started with. */
export interface WorkerSettings {
  readonly counters: SharedArrayBuffer;
  /** Path of the host's resolv.conf. */
  readonly resolvConf: string;
  /** Namespace and port of the other servers, for tests; the host's and 53 unless given. */
  readonly upstreams?: { readonly from?: string; readonly port?: number };
}

/** Where a client is and which incarnation of its namespace that is. */
export interface ClientPlace {
  readonly path: string;
  readonly incarnation: string;
}

export type ToWorker =
  /** All or none, unless `lenient`: then clients whose sockets cannot be opened are left out. */
  | {
      readonly kind: 'change';
      readonly id: number;
      readonly changes: readonly DnsChange[];
      readonly places: Readonly<Record<Id, ClientPlace>>;
      readonly lenient: boolean;
    }
  /** The endpoints of these clients have gone: their sockets are closed. */
  | { readonly kind: 'close'; readonly keys: readonly string[] };

/** The answer to a change: the incarnation that each client has sockets in, or why nothing was changed. */
export type FromWorker = { readonly id: number; readonly listening: Readonly<Record<string, string>> } | { readonly id: number; readonly failure: string };
