import type { Attachment, Change, FlannelSpec } from '@portolan/model';

/** What the REST API answers with, as far as a command reads it; /docs of a control plane has every field. */

export interface Named {
  readonly name: string;
}

export interface NodeAnswer extends Named {
  readonly role: string;
  readonly availability: string;
  readonly address: string;
  readonly condition: 'unknown' | 'up' | 'silent' | 'unreachable';
  readonly status?: NodeStatusAnswer;
}

export interface NetworkAnswer extends Named {
  readonly ingress: boolean;
  readonly vni: number;
  readonly subnet: string;
  readonly gateway: string;
  readonly extraSubnets?: readonly { readonly subnet: string }[];
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly dsr: boolean;
  readonly effectiveMtu: number;
  readonly usage: PoolAnswer;
}

export interface PoolAnswer extends Named {
  readonly pool: string;
  readonly range: string;
  readonly size: number;
  readonly used: number;
  readonly retired: number;
  readonly free: number;
  readonly by: Readonly<Record<string, number>>;
}

export interface FindingAnswer {
  readonly severity: 'block' | 'warn';
  readonly code: string;
  readonly subject: Named & { readonly kind: string };
  readonly field: string;
  readonly message: string;
  readonly fix: string;
}

export interface ServiceAnswer extends Named {
  readonly scheduler: string;
  readonly endpointMode: string;
  readonly networks: readonly { readonly network: string; readonly vip?: string; readonly mark?: number }[];
  readonly ports: readonly {
    readonly published: number;
    readonly target: number;
    readonly protocol: string;
    readonly mode: string;
    readonly externalTrafficPolicy: string;
  }[];
}

export interface EndpointAnswer extends Named {
  readonly id: string;
  /** Left out of one by itself. */
  readonly service?: string;
  readonly node: string;
  readonly weight: number;
  readonly attachment: Attachment;
  readonly addresses: readonly { readonly network: string; readonly address: string }[];
  /** In the flannel network; null until its node has a subnet, left out where it has no place there. */
  readonly flannelAddress?: string | null;
  readonly presence: string;
  readonly health: string;
  readonly traffic: string;
  readonly drain: DrainAnswer | null;
}

export interface DrainAnswer {
  readonly deadline: string;
  readonly removes: boolean;
  readonly drained: boolean;
  readonly pending: readonly string[];
  /** null: not counted yet. */
  readonly connections: number | null;
}

export interface FlannelStatusAnswer {
  readonly phase: 'active' | 'switching' | 'leaving';
  /** Of phase switching: what keeps the earlier backends. */
  readonly waitsFor: { readonly nodes: readonly string[]; readonly foreign: readonly string[] };
  /** Whether etcd answers. */
  readonly etcd: boolean;
  readonly spec: FlannelSpec;
  readonly leases: readonly FlannelLeaseAnswer[];
}

export interface FlannelLeaseAnswer {
  /** null: a node without a lease, see `reason`. */
  readonly key: string | null;
  readonly subnet: string | null;
  /** null: not a node of ours. */
  readonly node: string | null;
  readonly foreign: boolean;
  readonly publicAddress: string | null;
  readonly backendType: string | null;
  readonly vni: number | null;
  readonly vtepMac: string | null;
  readonly reserved: boolean;
  readonly secondsLeft: number | null;
  readonly fault: string | null;
  readonly reason: string | null;
  /** Of our own nodes. */
  readonly kernel: { readonly inSync: boolean; readonly wanted: number; readonly found: number; readonly differing: readonly string[] } | null;
}

export interface ClusterAnswer extends Named {
  readonly revision: number;
}

export interface ManifestAnswer {
  readonly revision: number;
  readonly changed: boolean;
  readonly changes: readonly Change[];
}

export interface RevisionAnswer {
  readonly revision: number;
  readonly actor: string;
  /** Address that it came from; null: not by a request. */
  readonly from: string | null;
  readonly summary: string;
  readonly createdAt: string;
  readonly changes: readonly Change[];
}

export interface NodeStatusAnswer extends Named {
  /** null while etcd does not say. */
  readonly alive: boolean | null;
  readonly generation: number;
  readonly computedRevision: number;
  readonly appliedRevision: number;
  readonly lastReportAt: string | null;
  readonly lastStatus: 'applied' | 'failed' | null;
  readonly lastErrors: readonly ReportErrorAnswer[];
  /** null: it does not keep failing. */
  readonly degraded: { readonly since: string; readonly failures: number } | null;
  readonly lastWaiting: readonly string[];
}

export interface ReportErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly key?: string;
  readonly command?: { readonly command: string; readonly exitCode: number; readonly stderr: string };
}

export interface StatusAnswer {
  readonly cluster: string;
  readonly intentRevision: number;
  readonly computedRevision: number;
  readonly appliedRevision: number;
  readonly nodes: readonly NodeStatusAnswer[];
}

export interface KernelObjectAnswer {
  readonly key: string;
  readonly hash: string;
  readonly space: string;
  readonly kind?: string;
  readonly body?: { readonly kind: string };
  readonly origin?: { readonly computedBy: string; readonly network?: string; readonly service?: string; readonly endpoint?: string };
}

export interface NodeStateAnswer {
  readonly generation: number;
  readonly revision: number;
  readonly state: {
    readonly endpoints: Readonly<Record<string, Named>>;
    readonly objects: readonly KernelObjectAnswer[];
  };
}

export interface ObservedAnswer {
  readonly hash: string;
  readonly observedAt: string;
  readonly objects: readonly KernelObjectAnswer[];
  readonly foreign: readonly { readonly space: string; readonly text: string }[];
}

export interface StepAnswer {
  readonly action: string;
  readonly key: string;
  readonly reason: string;
}

export interface DriftAnswer {
  readonly steps: readonly StepAnswer[];
  readonly waiting: readonly string[];
}

export interface DriftEventAnswer {
  readonly node: string;
  readonly key: string;
  readonly kind: 'missing' | 'unexpected' | 'different' | 'obstructed';
  readonly reason: string;
  readonly since: string;
  readonly outcome: 'open' | 'repaired' | 'gone';
  readonly endedAt: string | null;
}

export interface JobAnswer {
  readonly id: string;
  readonly node: string;
  readonly generation: number;
  readonly revision: number;
  readonly status: 'queued' | 'applied' | 'failed' | 'superseded';
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly plan: DriftAnswer;
}

export interface JobReportAnswer extends JobAnswer {
  readonly report: {
    readonly status: string;
    readonly steps: readonly StepAnswer[];
    readonly commands: readonly {
      readonly space: string;
      readonly command: string;
      readonly input: string;
      readonly exitCode: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly milliseconds: number;
    }[];
    readonly errors: NodeStatusAnswer['lastErrors'];
    readonly waiting: readonly string[];
  } | null;
}

interface Counted {
  readonly connections: number;
  readonly perSecond: number | null;
  readonly active: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface BackendAnswer extends Counted {
  readonly endpoint: string;
  readonly share: number;
}

export interface ServiceTrafficAnswer extends Counted {
  readonly readAt: string | null;
  readonly backends: readonly BackendAnswer[];
  readonly nodes: readonly (Counted & { readonly node: string; readonly readAt: string })[];
}

export interface ProgrammedAnswer {
  readonly node: string;
  readonly network: string;
  readonly space: string;
  readonly mark: number;
  readonly local: boolean;
  readonly virtualServer: 'present' | 'missing' | 'different' | 'unknown';
  readonly realServers: number | null;
  readonly wantedRealServers: number;
  readonly faults: readonly string[];
  readonly appliedRevision: number;
}
