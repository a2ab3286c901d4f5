import { type Id, portolanError } from '@portolan/model';
import type { ServerTraffic, TrafficReading } from '@portolan/protocol';
import type { CountedServers, TrafficRow } from '../ports.js';
import type { Connections } from './connections.js';

/** $1: node, $2: when it was read, $3: real servers by mark. The newest reading becomes the one before. */
const saveSql = `INSERT INTO node_traffic (node_id, cluster_id, read_at, servers)
  SELECT n.id, n.cluster_id, $2::timestamptz, $3::jsonb FROM nodes n WHERE n.id = $1
  ON CONFLICT (node_id) DO UPDATE SET before_at = node_traffic.read_at, before = node_traffic.servers, read_at = excluded.read_at, servers = excluded.servers
  RETURNING node_id`;

const ofMarks = (column: string): string =>
  `(SELECT coalesce(jsonb_agg(s), '[]') FROM unnest($2::text[]) AS mark CROSS JOIN LATERAL jsonb_array_elements(t.${column}->mark) AS s)`;

/** $1: cluster, $2: marks. A node may have thousands of real servers, of which one service is asked for. */
const readSql = `SELECT t.node_id, t.read_at, ${ofMarks('servers')} AS servers, t.before_at, CASE WHEN t.before IS NULL THEN NULL ELSE ${ofMarks('before')} END AS before
  FROM node_traffic t WHERE t.cluster_id = $1 ORDER BY t.node_id COLLATE "C"`;

interface Row {
  readonly node_id: Id;
  readonly read_at: Date;
  readonly servers: readonly ServerTraffic[];
  readonly before_at: Date | null;
  readonly before: readonly ServerTraffic[] | null;
}

/** See IntentStore.saveTraffic: one statement. */
export async function saveNodeTraffic({ lookUp }: Connections, nodeId: Id, { at, servers }: Pick<TrafficReading, 'at' | 'servers'>): Promise<void> {
  const byMark: Record<string, ServerTraffic[]> = {};
  for (const server of servers) {
    const ofMark = byMark[server.mark] ?? [];
    byMark[server.mark] = ofMark;
    ofMark.push(server);
  }
  const saved = await lookUp<{ node_id: Id }>(saveSql, [nodeId, at, JSON.stringify(byMark)]);
  if (saved.length === 0) throw portolanError('not-found', '', `there is no node with the id ${nodeId}`);
}

export async function trafficRows({ lookUp }: Connections, cluster: Id, marks: readonly number[]): Promise<readonly TrafficRow[]> {
  return (await lookUp<Row>(readSql, [cluster, [...new Set(marks)].map(String)])).map(
    ({ node_id: nodeId, read_at: readAt, servers, before_at: beforeAt, before }) => ({
      nodeId,
      latest: { at: readAt.toISOString(), servers },
      before: beforeAt === null || before === null ? null : ({ at: beforeAt.toISOString(), servers: before } satisfies CountedServers),
    }),
  );
}
