import type { NewId } from '@portolan/intent';
import type { Drift } from '@portolan/protocol';
import type { CredentialStore, FlannelRegistry, IntentStore, NodeAccess } from '@portolan/store';
import type { FastifyBaseLogger } from 'fastify';
import type { Changes } from './changes.js';
import type { Authority } from './credentials/authority.js';
import type { Believed } from './credentials/believed.js';
import type { RefusalReason } from './credentials/principal.js';
import type { Refusals } from './credentials/refusals.js';
import type { LivenessView } from './liveness-view.js';
import type { RegistryViews } from './registry-views.js';
import type { Renewals } from './renewals.js';

/** Time, passed in so that tests can hold it. */
export interface Clock {
  now(): Date;
  /** Milliseconds since some moment; unlike the time of day it never jumps. */
  monotonic(): number;
  /** Milliseconds; ends early, without an error, when the signal aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export type Log = FastifyBaseLogger;

/** What the application layer counts; the metrics page shows it. */
export interface Counters {
  committed(cluster: string): void;
  computed(cluster: string, nodes: number, seconds: number): void;
  /** Entries of flannel's registry that were written or removed, and those of which the write was refused because somebody else was first. */
  registryWritten(cluster: string, written: number, refused: number): void;
  /** A request that was refused for want of credentials. */
  refused(reason: RefusalReason): void;
  /** A drift that an agent mended, so many seconds after it saw it first. */
  driftRepaired(cluster: string, kind: Drift['kind'], seconds: number): void;
}

/** Everything that commands, queries and background tasks work with. */
export interface Context {
  readonly store: IntentStore;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly log: Log;
  readonly changes: Changes;
  readonly liveness: LivenessView;
  /** flannel's, in etcd. */
  readonly registry: FlannelRegistry;
  readonly registryViews: RegistryViews;
  readonly renewals: Renewals;
  readonly counters: Counters;
  readonly credentials: CredentialStore;
  /** Users of nodes in Redis and etcd. */
  readonly access: NodeAccess;
  /** null: no host can join, as nothing listens with TLS. */
  readonly authority: Authority | null;
  readonly believed: Believed;
  readonly refusals: Refusals;
  /** What agents are told to join; null where nobody configured it. */
  readonly publicUrl: string | null;
  /** Aborts when the control plane stops: long waits end then. */
  readonly stopping: AbortSignal;
}
