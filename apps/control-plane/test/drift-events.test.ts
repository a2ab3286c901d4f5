import type { Drift, Report } from '@portolan/protocol';
import { bjdtManifest } from '@portolan/testkit';
import { createClient } from 'graphql-ws';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Clock, listenOn, systemClock } from '../src/index.js';
import { SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

const cluster = '/v1/clusters/lab';
/** Milliseconds that the clock of the control plane is ahead. */
let ahead = 0;
const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + ahead) };
let plane: TestPlane;
let agents: readonly SimulatedAgent[];

beforeEach(async () => {
  ahead = 0;
  plane = await startTestPlane({ clock });
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('PUT', `${cluster}/manifest`, { nodes: bjdtManifest.nodes?.slice(0, 2) });
  await eventually(async () => expect((await plane.send('GET', `${cluster}/status`)).body.computedRevision).toBe(1));
  agents = ['node1', 'node2'].map((node) => new SimulatedAgent(plane, 'lab', node));
});

const missing: Drift = {
  key: 'bridge/host/br0',
  kind: 'missing',
  reason: 'it was deleted',
  expected: { kind: 'bridge' },
  since: '2026-01-01T00:00:01.000Z',
};
const obstructed: Drift = {
  key: 'obstructed/host/FORWARD',
  kind: 'obstructed',
  reason: 'a foreign rule drops what is forwarded',
  found: '-A FORWARD -j DROP',
  since: '2026-01-01T00:00:02.000Z',
};
const mended = { ...missing, repairedAt: '2026-01-01T00:00:01.400Z' };

const told = (drift: NonNullable<Report['drift']>): Partial<Report> => ({ drift });
const shownOf = (rows: Json | undefined): string[] =>
  (rows as unknown as { node: string; key: string; outcome: string }[]).map(({ node, key, outcome }) => `${node} ${key} ${outcome}`);

async function shown(query = ''): Promise<string[]> {
  return shownOf((await plane.send('GET', `${cluster}/drift${query}`)).body.items);
}

async function query(text: string): Promise<Json> {
  const { body } = await plane.send('POST', '/graphql', { query: text });
  expect(body.errors).toBeUndefined();
  return body.data as Json;
}

describe('drift', () => {
  it('is listed newest first, of one node, by outcome, page after page', async () => {
    await agents[0]?.sync(told({ open: [missing, obstructed], repaired: [] }));
    await agents[1]?.sync(told({ open: [], repaired: [mended] }));
    const all = ['node1 obstructed/host/FORWARD open', 'node1 bridge/host/br0 open', 'node2 bridge/host/br0 repaired'];
    expect((await shown()).sort()).toEqual([...all].sort());
    expect((await shown())[0]).toBe(all[0]);
    expect(await shown('?node=node2')).toEqual([all[2]]);
    expect(await shown('?outcome=open&node=node1')).toEqual([all[0], all[1]]);

    const pages: string[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await plane.send('GET', `${cluster}/drift?limit=1${cursor}`);
      pages.push(...shownOf(body.items));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${String(body.nextCursor)}`;
    }
    expect(pages).toEqual(await shown());

    await agents[0]?.sync(told({ open: [obstructed], repaired: [mended] }));
    expect(await shown('?node=node1')).toEqual(['node1 obstructed/host/FORWARD open', 'node1 bridge/host/br0 repaired']);
    await agents[0]?.sync(told({ open: [], repaired: [] }));
    const { items } = (await plane.send('GET', `${cluster}/drift?node=node1&outcome=gone`)).body;
    expect(items).toEqual([
      {
        node: 'node1',
        key: obstructed.key,
        kind: 'obstructed',
        reason: obstructed.reason,
        expected: null,
        found: obstructed.found,
        since: obstructed.since,
        seenAt: expect.any(String),
        outcome: 'gone',
        endedAt: expect.any(String),
      },
    ]);
  });

  it('is refused of a node that is not there, by a word that is no outcome, from a place that is none', async () => {
    const refused = ['?node=nowhere', '?outcome=lost', '?cursor=nonsense', '?cursor=WyJ4IiwieSIsInoiXQ'];
    const statuses = await Promise.all(refused.map(async (words) => (await plane.send('GET', `${cluster}/drift${words}`)).status));
    expect(statuses).toEqual([404, 400, 400, 400]);
  });

  it('has a finding where a foreign rule is in the way, as long as it is', async () => {
    await agents[1]?.sync(told({ open: [obstructed, missing], repaired: [] }));
    const findings = async () => (await plane.send('GET', `${cluster}/findings`)).body.items as unknown as { code: string }[];
    expect((await findings()).filter(({ code }) => code === 'obstructed')).toMatchObject([
      {
        severity: 'warn',
        subject: { kind: 'node', name: 'node2' },
        message: 'a foreign rule drops what is forwarded: -A FORWARD -j DROP (obstructed/host/FORWARD)',
      },
    ]);
    expect((await query('{ cluster(name: "lab") { findings } }')).cluster?.findings).toEqual(await findings());
    await agents[1]?.sync(told({ open: [], repaired: [] }));
    expect((await findings()).filter(({ code }) => code === 'obstructed')).toEqual([]);
  });

  it('is counted: what is open by kind, each repair once', async () => {
    const figures = async () => (await plane.app.inject('/metrics')).body;
    await agents[0]?.sync(told({ open: [missing, obstructed], repaired: [] }));
    await agents[1]?.sync(told({ open: [missing], repaired: [] }));
    expect(await figures()).toContain('portolan_drift_open{cluster="lab",kind="missing"} 2');
    expect(await figures()).toContain('portolan_drift_open{cluster="lab",kind="different"} 0');
    await agents[0]?.sync(told({ open: [], repaired: [mended] }));
    await agents[0]?.sync(told({ open: [], repaired: [mended, { ...mended, since: '2026-01-01T00:00:09.000Z', repairedAt: '2026-01-01T00:00:12.000Z' }] }));
    const counted = await figures();
    expect(counted).toContain('portolan_drift_open{cluster="lab",kind="missing"} 1');
    expect(counted).toContain('portolan_drift_repaired_total{cluster="lab",kind="missing"} 2');
    expect(counted).toContain('portolan_drift_repair_seconds_bucket{le="0.5",cluster="lab"} 1');
    expect(counted).toContain('portolan_drift_repair_seconds_sum{cluster="lab"} 3.4');
  });

  it('is in the graph, and told when it changes', async () => {
    const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
    const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 });
    const received: Json[] = [];
    const end = client.subscribe(
      { query: 'subscription { driftChanged(cluster: "lab") { node key outcome } }' },
      { next: (value) => received.push(value as unknown as Json), error: () => undefined, complete: () => undefined },
    );
    onTestFinished(async () => {
      end();
      await client.dispose();
    });
    const last = () => shownOf(received.at(-1)?.data?.driftChanged);
    await eventually(() => expect(last()).toEqual([]));
    await agents[0]?.sync(told({ open: [missing], repaired: [] }));
    await eventually(() => expect(last()).toEqual(['node1 bridge/host/br0 open']));
    // It is seen again, which is no news.
    await agents[0]?.sync(told({ open: [missing], repaired: [] }));
    await agents[0]?.sync(told({ open: [], repaired: [mended] }));
    await eventually(() => expect(last()).toEqual(['node1 bridge/host/br0 repaired']));
    expect(received).toHaveLength(3);

    const fields = 'node key kind reason expected found since outcome endedAt';
    const { cluster: answer } = await query(`{ cluster(name: "lab") {
      drift(outcome: repaired, limit: 1) { items { ${fields} } nextCursor }
      none: drift(node: "node2") { items { key } }
      node(name: "node1") { driftEvents(outcome: repaired) { ${fields} } }
    } }`);
    const { repairedAt, ...event } = mended;
    const expected = { ...event, node: 'node1', found: null, outcome: 'repaired', endedAt: repairedAt };
    expect(answer).toEqual({ drift: { items: [expected], nextCursor: null }, none: { items: [] }, node: { driftEvents: [expected] } });
  });
});

describe('a node that fails', () => {
  const command = { command: 'ip -batch -', exitCode: 1, stderr: 'RTNETLINK answers: File exists\nCommand failed -:3\n' };
  const failed: Partial<Report> = {
    status: 'failed',
    endpoints: {},
    errors: [{ code: 'command-failed', message: 'the link br0 cannot be made', fix: 'See the job.', key: 'bridge/host/br0', command }],
  };
  const degraded = async () => (await plane.send('GET', `${cluster}/nodes/node1`)).body.status?.degraded;
  const figure = async () => /portolan_nodes_degraded\{cluster="lab"\} (\d)/.exec((await plane.app.inject('/metrics')).body)?.[1];

  it('is degraded the third time in a row, until it has applied its state', async () => {
    await agents[0]?.sync(failed);
    await agents[0]?.sync(failed);
    expect([await degraded(), await figure()]).toEqual([null, '0']);
    await agents[0]?.sync(failed);
    const error = { key: 'bridge/host/br0', message: 'the link br0 cannot be made', command };
    expect(await degraded()).toEqual({ since: expect.any(String), failures: 3, errors: [error] });
    expect(await figure()).toBe('1');
    const text =
      '{ cluster(name: "lab") { node(name: "node1") { status { failures degraded { failures errors { key message command { command exitCode stderr } } } } } } }';
    expect((await query(text)).cluster?.node?.status).toEqual({ failures: 3, degraded: { failures: 3, errors: [error] } });

    const late = await plane.send('GET', `${cluster}/wait?timeout=0.1`);
    expect(late.body.detail).toMatch(
      /node1 is degraded, failed 3 times in a row since 20\S+: the link br0 cannot be made \[command-failed\] \(ip -batch - ended with 1: RTNETLINK answers: File exists; Command failed -:3\)/,
    );
    await agents[0]?.sync({ endpoints: {} });
    expect([await degraded(), await figure()]).toEqual([null, '0']);
  });

  it('is degraded after ten seconds, however seldom it tries', async () => {
    await agents[0]?.sync(failed);
    ahead = 9000;
    expect(await degraded()).toBeNull();
    ahead = 10_500;
    expect(await degraded()).toMatchObject({ failures: 1 });
  });
});
