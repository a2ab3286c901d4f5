import { portolanError } from '@portolan/model';
import type { Coordination, HintQueue, IntentStore, OutboxMessage } from '@portolan/store';
import { createMemoryCoordination, createMemoryQueue, openMemoryStore } from '@portolan/store/memory';
import { bjdtManifest } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { runAgents } from './simulated-agent.js';
import { eventually, startTestPlane } from './test-plane.js';

/** A twin that can be cut off: then every call fails as the real adapter's does. */
function breakable<T extends object>(service: string, twin: T): T & { broken: boolean } {
  const state = { broken: false };
  return new Proxy(twin, {
    get: (target, property, receiver) => {
      if (property === 'broken') return state.broken;
      const value: unknown = Reflect.get(target, property, receiver);
      if (typeof value !== 'function' || property === 'close') return value;
      return async (...args: unknown[]) => {
        if (state.broken) throw portolanError('store-unavailable', '', `${service} cannot be reached: refused`);
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
    set: (_target, property, value: boolean) => {
      if (property === 'broken') state.broken = value;
      return property === 'broken';
    },
  }) as T & { broken: boolean };
}

describe('PostgreSQL lost', () => {
  it('answers 503 with the reason, at every door, and recovers without a restart', async () => {
    const store = breakable<IntentStore>('PostgreSQL', openMemoryStore());
    const plane = await startTestPlane({ store });
    await plane.send('POST', '/v1/clusters', { name: 'lab' });
    store.broken = true;
    for (const [method, url, body] of [
      ['GET', '/v1/clusters', undefined],
      ['GET', '/v1/clusters/lab/status', undefined],
      ['PUT', '/v1/clusters/lab/manifest', bjdtManifest],
      ['GET', '/v1/agents/lab/node1/state', undefined],
    ] as const) {
      expect(await plane.send(method, url, body)).toMatchObject({
        status: 503,
        body: { code: 'store-unavailable', detail: 'PostgreSQL cannot be reached: refused' },
        headers: { 'retry-after': '1' },
      });
    }
    const graphql = await plane.send('POST', '/graphql', { query: '{ clusters { name } }' });
    expect(graphql.body.errors).toMatchObject([{ extensions: { code: 'store-unavailable', status: 503 } }]);
    expect(await plane.send('GET', '/readyz')).toMatchObject({
      status: 503,
      body: {
        ready: false,
        stores: { postgres: { ready: false, reason: 'PostgreSQL cannot be reached: refused' }, redis: { ready: true }, etcd: { ready: true } },
      },
    });
    expect((await plane.send('GET', '/healthz')).status).toBe(200);
    const metrics = await plane.app.inject('/metrics');
    expect(metrics.statusCode).toBe(200);
    expect(metrics.body).toContain('portolan_store_reachable 0');

    store.broken = false;
    await runAgents(plane, 'lab', ['node1', 'node2', 'node3']);
    expect((await plane.send('PUT', '/v1/clusters/lab/manifest?wait=applied&timeout=10', bjdtManifest)).status).toBe(200);
    expect((await plane.send('GET', '/readyz')).status).toBe(200);
  });

  it('does not keep it from starting: it answers 503 until the database comes, and then works', async () => {
    const store = breakable<IntentStore>('PostgreSQL', openMemoryStore());
    store.broken = true;
    const plane = await startTestPlane({ store, start: false });
    expect(await plane.send('GET', '/v1/clusters')).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });
    expect((await plane.send('GET', '/readyz')).status).toBe(503);
    store.broken = false;
    await eventually(async () => expect((await plane.send('POST', '/v1/clusters', { name: 'lab' })).status).toBe(201));
  });
});

describe('Redis lost', () => {
  it('refuses nothing and delays nothing that goes through etcd; the hints follow', async () => {
    const published: OutboxMessage[] = [];
    const twin = createMemoryQueue();
    const queue = breakable<HintQueue>('Redis', {
      ping: twin.ping,
      close: twin.close,
      publish: async (messages) => void published.push(...messages),
    });
    queue.broken = true;
    const plane = await startTestPlane({ queue });
    await plane.send('POST', '/v1/clusters', { name: 'lab' });
    await runAgents(plane, 'lab', ['node1', 'node2', 'node3']);
    expect((await plane.send('PUT', '/v1/clusters/lab/manifest?wait=applied&timeout=10', bjdtManifest)).status).toBe(200);
    expect((await plane.send('GET', '/readyz')).body).toMatchObject({
      ready: false,
      stores: { redis: { ready: false, reason: 'Redis cannot be reached: refused' } },
    });
    expect(published).toEqual([]);
    queue.broken = false;
    await eventually(() => expect([...new Set(published.map(({ node }) => node))].sort()).toEqual(['node1', 'node2', 'node3']));
  });
});

describe('etcd lost', () => {
  it('refuses nothing and delays no hint; nobody is said to be up or down; the revision follows', async () => {
    const queue = createMemoryQueue();
    const coordination = breakable<Coordination>('etcd', createMemoryCoordination());
    const plane = await startTestPlane({ queue, coordination });
    const revisions: number[] = [];
    await plane.send('POST', '/v1/clusters', { name: 'lab' });
    await coordination.watchRevision('lab', (revision) => revisions.push(revision));
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: bjdtManifest.nodes });
    await eventually(() => expect(revisions).toContain(1));
    coordination.broken = true;
    const hinted = new Promise<number>((resolve) => queue.source('lab', 'node1').start(async ({ revision }) => resolve(revision)));
    expect((await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest)).status).toBe(200);
    expect(await hinted).toBeGreaterThan(0);
    await eventually(async () => {
      expect((await plane.send('GET', '/v1/clusters/lab/status')).body.nodes).toMatchObject([{ alive: null }, { alive: null }, { alive: null }]);
    });
    expect(revisions).not.toContain(2);
    coordination.broken = false;
    await eventually(() => expect(revisions).toContain(2));
  });
});
