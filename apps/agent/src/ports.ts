import type { Kernel } from '@portolan/kernel';
import type { Report } from '@portolan/protocol';
import type { Coordination, HintSource } from '@portolan/store';
import type { Clock } from './clock.js';
import type { ControlPlane } from './control-plane.js';
import type { AgentNameServer } from './dns/name-server.js';
import type { LedgerFile } from './ledger.js';
import type { Log } from './log.js';
import type { AgentMetrics } from './metrics.js';
import type { OpenKernelEvents } from './watch/kernel.js';
import type { Sight } from './watch/watch.js';

export interface AgentConfig {
  readonly cluster: string;
  readonly node: string;
  readonly version: string;
  /** Times in milliseconds. The state may have a resync time of its own, which counts then. */
  readonly resync?: number;
  /** Between two looks for the namespaces of all endpoints, and of those whose look starts no process. */
  readonly presence?: number;
  readonly quickPresence?: number;
  readonly retryFirst?: number;
  readonly retryLast?: number;
  /** A new revision is looked for so much later, because the job of a changed node is on its way too. */
  readonly revisionDelay?: number;
  /** Between two readings of what IPVS has counted; 0, and where it is not given: none. */
  readonly traffic?: number;
}

export interface AgentPorts {
  readonly kernel: Kernel;
  /** The name server that the kernel carries out its part of plans by. */
  readonly names?: Pick<AgentNameServer, 'restore'>;
  readonly sight: Sight;
  /** Tells of changes of the host's kernel; without it they are found by the timer. */
  readonly kernelEvents?: OpenKernelEvents;
  readonly controlPlane: ControlPlane;
  readonly ledger: LedgerFile;
  readonly hints: HintSource;
  readonly coordination: Pick<Coordination, 'watchRevision' | 'keepAlive'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

export interface AgentStatus {
  readonly generation: number;
  readonly revision: number;
  readonly status: Report['status'] | 'idle';
  readonly errors: Report['errors'];
  /** When the last run ended, in milliseconds since 1970; 0 before the first. */
  readonly lastRunAt: number;
  /** Milliseconds between two looks at the kernel that nobody asked for. */
  readonly resync: number;
}

export interface Agent {
  /** Begins to watch, and to run for the first time. Needs neither control plane nor Redis nor etcd to be there. */
  start(): Promise<void>;
  /** Ends everything but the data path. */
  stop(): Promise<void>;
  /** Runs once more, now; false when the run failed. */
  sync(): Promise<boolean>;
  status(): AgentStatus;
  /** Milliseconds since a run ended, or since the agent was made when none has yet. */
  idleFor(): number;
}
