import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largeManifest } from '@portolan/testkit';
import pg from 'pg';
import { startPlane } from '../plane.js';
import { type Bench, comparison, medianPair } from './bench.js';

const SERVICES = 200;
const READS = 1000;
const WRITES = 150;
const CONCURRENCY = 8;
const ROUNDS = 5;

/** Runs `each` for 0 … count-1, `CONCURRENCY` at a time. */
async function spread(count: number, each: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (let i = next++; i < count; i = next++) await each(i);
    }),
  );
}

const connections = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

/** One request over a kept connection; the plain client of Node, because the figure is the server's. */
function callOnce(url: string, method = 'GET', body?: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: connections, method, headers: body === undefined ? {} : { 'content-type': 'application/json' } }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.once('end', () =>
        answer.statusCode !== undefined && answer.statusCode < 400 ? resolve() : reject(new Error(`${method} ${url}: ${answer.statusCode} ${text}`)),
      );
    });
    call.once('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const readSql = {
  revision: 'SELECT id, revision FROM clusters WHERE name = $1',
  service: 'SELECT * FROM services WHERE cluster_id = $1 AND name = $2',
  addresses: 'SELECT * FROM addresses WHERE service_id = $1',
};

/** What a change of one endpoint writes; the statements of the store. */
const writeSql = {
  lock: 'SELECT id, revision, pg_current_xact_id()::text AS transaction FROM clusters WHERE name = $1 FOR UPDATE',
  update: `UPDATE endpoints t SET weight = r.weight, version = r.version
           FROM jsonb_populate_recordset(null::endpoints, $1::jsonb) r WHERE t.id = r.id AND t.cluster_id = $2`,
  note: `WITH moved AS (UPDATE clusters SET revision = $2 WHERE id = $1),
         noted AS (INSERT INTO revisions (cluster_id, revision, actor, summary, commit_id) VALUES ($1, $2, 'bench', 'patch endpoint', gen_random_uuid()))
         INSERT INTO audit (cluster_id, revision, position, action, kind, name)
         SELECT $1, $2, r.position, r.action, r.kind, r.name FROM jsonb_populate_recordset(null::audit, $3::jsonb) r`,
};

/** Requests a second over HTTP, on real servers, beside raw `pg` doing the same SQL on the same database. */
export const api: Bench = async (report) => {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
  const plane = await startPlane(directory);
  const { url, servers } = plane;
  const pool = new pg.Pool({ connectionString: servers.databaseUrl, max: CONCURRENCY });
  try {
    const call = (path: string, method = 'GET', body?: unknown): Promise<void> => callOnce(`${url}/v1/clusters${path}`, method, body);
    await call('', 'POST', { name: 'bench' });
    await call('/bench/manifest', 'PUT', largeManifest({ nodes: 3, networks: 10, services: SERVICES, endpointsPerService: 3, publishedServices: 20 }));
    const { rows: clusters } = await pool.query<{ id: string }>(readSql.revision, ['bench']);
    const cluster = clusters[0]?.id ?? '';
    const { rows: endpoints } = await pool.query<{ id: string; name: string; version: number }>(
      'SELECT id, name, version FROM endpoints ORDER BY name LIMIT $1',
      [WRITES],
    );
    const nameOf = (i: number): string => `service${(i % SERVICES) + 1}`;

    report('reads');
    const reads = await medianPair(
      ROUNDS,
      () => spread(READS, (i) => call(`/bench/services/${nameOf(i)}`)),
      () =>
        spread(READS, async (i) => {
          await pool.query({ name: 'revision', text: readSql.revision, values: ['bench'] });
          const { rows } = await pool.query<{ id: string }>({ name: 'service', text: readSql.service, values: [cluster, nameOf(i)] });
          await pool.query({ name: 'addresses', text: readSql.addresses, values: [rows[0]?.id] });
        }),
    );

    report('writes');
    let weight = 1;
    const rawWrite = async (i: number): Promise<void> => {
      const endpoint = endpoints[i];
      if (endpoint === undefined) return;
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const { rows } = await client.query<{ revision: number }>({ name: 'lock', text: writeSql.lock, values: ['bench'] });
        await client.query({
          name: 'update',
          text: writeSql.update,
          values: [JSON.stringify([{ id: endpoint.id, weight, version: endpoint.version }]), cluster],
        });
        const changes = JSON.stringify([{ position: 0, action: 'change', kind: 'endpoint', name: endpoint.name }]);
        await client.query({ name: 'note', text: writeSql.note, values: [cluster, (rows[0]?.revision ?? 0) + 1, changes] });
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    };
    const writes = await medianPair(
      ROUNDS,
      () => {
        weight += 1;
        return spread(WRITES, (i) => call(`/bench/endpoints/${endpoints[i]?.name}`, 'PATCH', { weight }));
      },
      () => {
        weight += 1;
        return spread(WRITES, rawWrite);
      },
    );

    const rate = (count: number, milliseconds: number): number => (count / milliseconds) * 1000;
    return [
      comparison({
        case: `GET one of ${SERVICES} services, ${CONCURRENCY} at a time`,
        unit: 'requests/s',
        ours: rate(READS, reads.ours),
        baseline: rate(READS, reads.baseline),
        against: 'raw pg: revision, service and its addresses, prepared, without HTTP',
      }),
      comparison({
        case: `PATCH of one endpoint, ${CONCURRENCY} at a time; each computes the nodes too`,
        unit: 'requests/s',
        ours: rate(WRITES, writes.ours),
        baseline: rate(WRITES, writes.baseline),
        against: 'raw pg: the same transaction (lock, update, revision, audit), prepared, without HTTP and compute',
      }),
    ];
  } finally {
    await pool.end();
    await plane.stop();
    rmSync(directory, { recursive: true, force: true });
  }
};
