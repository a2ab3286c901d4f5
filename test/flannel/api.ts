import type { Lab } from '@portolan/lab';
import pg from 'pg';
import type { LabClient } from '../lab-client.js';
import { until } from '../until.js';

/** A row of the status of the flannel network, as the REST API gives it. */
export interface LeaseRow {
  readonly key: string | null;
  readonly subnet: string | null;
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
  readonly kernel: { readonly inSync: boolean; readonly wanted: number; readonly found: number; readonly differing: readonly string[] } | null;
}

export interface FlannelStatus {
  readonly phase: 'active' | 'switching' | 'leaving';
  readonly etcd: boolean;
  readonly waitsFor: { readonly nodes: readonly string[]; readonly foreign: readonly string[] };
  readonly leases: readonly LeaseRow[];
}

export interface Finding {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

export interface FlannelApi {
  status(): Promise<FlannelStatus>;
  findings(): Promise<readonly Finding[]>;
  /** Changes the backend, and returns when every node has applied that. */
  choose(backend: object): Promise<void>;
  /** Changes the backend, and returns when no earlier one is held and every kernel is as it should be. */
  switchTo(backend: object): Promise<void>;
  /** Waits until every node has applied the newest revision. */
  settled(): Promise<void>;
}

export function flannelApi({ call }: LabClient): FlannelApi {
  const self: FlannelApi = {
    status: () => call<FlannelStatus>('/flannel/status'),
    findings: async () => (await call<{ items: readonly Finding[] }>('/findings')).items,
    async choose(backend) {
      // The version goes on by itself when an earlier backend is given up.
      const { version: _, ...spec } = await call<{ version?: number }>('/flannel');
      await call('/flannel?wait=applied&timeout=60', 'PUT', { ...spec, backend });
    },
    async switchTo(backend) {
      await self.choose(backend);
      await until('the network has changed its backend', 60, async () => (await self.status()).phase === 'active');
      await self.settled();
    },
    async settled() {
      const { intentRevision } = await call<{ intentRevision: number }>('/status');
      await call(`/wait?revision=${intentRevision}&timeout=60`);
    },
  };
  return self;
}

export interface ReportedStep {
  readonly action: string;
  readonly key: string;
  readonly reason: string;
}

/** Steps that the agent of a node has reported since `since`, the oldest first. */
export async function reportedSteps(lab: Lab, node: string, since: Date): Promise<readonly ReportedStep[]> {
  const client = new pg.Client({ connectionString: lab.servers.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ steps: readonly ReportedStep[] }>(
      "SELECT r.body->'steps' AS steps FROM reports r JOIN nodes n ON n.id = r.node_id WHERE n.name = $1 AND r.created_at >= $2 ORDER BY r.id",
      [node, since],
    );
    return rows.flatMap(({ steps }) => steps);
  } finally {
    await client.end();
  }
}
