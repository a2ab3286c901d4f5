import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IntentStore, StoreLog } from '../src/ports.js';
import { openPostgresStore } from '../src/postgres/index.js';
import { startDatabases, type TestDatabases } from './fixtures/database.js';
import { idOf, newCluster, node, note, planTo, put, service, stateOf } from './fixtures/intent.js';
import { type SeveringProxy, startSeveringProxy } from './fixtures/severing-proxy.js';

// A PostgreSQL that dies, freezes, or loses the wire in the middle of a commit.

let databases: TestDatabases;
let store: IntentStore;
let lines: string[];
const log: StoreLog = { warn: (_fields, message) => void lines.push(message), info: (_fields, message) => void lines.push(message) };

beforeAll(async () => {
  databases = await startDatabases(true);
  store = openPostgresStore({ url: databases.server.url });
  await store.migrate();
  await store.close();
});
afterAll(() => databases.stop());
beforeEach(async () => {
  lines = [];
  await databases.query(databases.server.url, 'DELETE FROM clusters');
  store = openPostgresStore({ url: databases.server.url, poolSize: 4, log });
  await newCluster(store, 'a');
});
afterEach(() => store.close());

const unavailable = { name: 'PortolanError', code: 'store-unavailable' };
const recovered = (): Promise<void> => vi.waitFor(() => store.ping(), { timeout: 15_000, interval: 100 });

describe('a PostgreSQL that goes away', () => {
  it('fails every call at once while it is down, and no longer when it is back', async () => {
    const { snapshot } = await store.commit('a', note, put({ services: [service('web')] }));
    await databases.server.kill('SIGKILL');
    const start = performance.now();
    await expect(store.commit('a', note, put({ services: [service('x')] }))).rejects.toMatchObject(unavailable);
    await expect(store.snapshot('a')).rejects.toMatchObject(unavailable);
    await expect(store.ping()).rejects.toMatchObject(unavailable);
    await expect(store.migrate()).rejects.toMatchObject(unavailable);
    await expect(store.drainOutbox(1, async () => undefined)).rejects.toMatchObject(unavailable);
    expect(performance.now() - start).toBeLessThan(3_000);
    await databases.server.restart();
    await recovered();
    expect(await store.snapshot('a')).toBe(snapshot);
    expect((await store.commit('a', note, put({ services: [service('x')] }))).snapshot.cluster.revision).toBe(2);
    expect(lines).toEqual([expect.stringContaining('cannot be reached'), expect.stringContaining('is back')]);
  });

  it('loses nothing that was committed when it is killed under load', async () => {
    const acknowledged: number[] = [];
    let stop = false;
    const writer = (async () => {
      while (!stop) {
        await store
          .commit('a', note, (s) => put({ services: [service(`s${s.cluster.revision}`)] })(s))
          .then(
            ({ snapshot }) => void acknowledged.push(snapshot.cluster.revision),
            (error: unknown) => {
              expect(error).toMatchObject(unavailable);
              return sleep(50);
            },
          );
      }
    })();
    for (let round = 0; round < 2; round++) {
      const soFar = acknowledged.length;
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(soFar + 20), { timeout: 20_000 });
      await databases.server.kill('SIGKILL');
      await databases.server.restart();
    }
    stop = true;
    await writer;
    await recovered();
    const fresh = openPostgresStore({ url: databases.server.url });
    const { cluster, services } = await fresh.snapshot('a');
    await fresh.close();
    expect(cluster.revision).toBe(services.size);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    expect(cluster.revision).toBeGreaterThanOrEqual(Math.max(...acknowledged));
    expect(await store.commit('a', note, (s) => s)).toMatchObject({ changed: false });
  });

  it('fails calls within seconds when it is frozen, those that wait too, and keeps no session for them', async () => {
    await store.commit('a', note, put({ nodes: [node('n1', 1)] }));
    const state = stateOf('n1', '10.0.0.1');
    // Four sessions that are open, so that calls meet a server that has stopped to answer, not one that does not let them in.
    await Promise.all(Array.from({ length: 4 }, () => store.listClusters()));
    databases.freeze();
    const start = performance.now();
    try {
      const calls = [
        ...Array.from({ length: 12 }, (_, i) => store.commit('a', note, put({ services: [service(`s${i}`)] }))),
        store.snapshot('a'),
        store.saveComputed(idOf('clustera'), 1, [{ nodeId: idOf('noden1'), changed: { state, plan: planTo(state) } }]),
        store.migrate(),
        store.ping(),
      ];
      for (const outcome of await Promise.allSettled(calls)) expect(outcome.status === 'rejected' && outcome.reason).toMatchObject(unavailable);
      expect(performance.now() - start).toBeLessThan(12_000);
    } finally {
      databases.thaw();
    }
    await recovered();
    expect((await store.commit('a', note, put({ services: [service('after')] }))).changed).toBe(true);
    await Promise.all(Array.from({ length: 20 }, () => store.listClusters()));
    await vi.waitFor(async () => {
      const [row] = await databases.query(databases.server.url, "SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name = 'portolan'");
      expect(row?.sessions).toBeLessThanOrEqual(4);
    });
  });
});

describe('a wire that breaks at COMMIT', () => {
  let proxy: SeveringProxy;
  let remote: IntentStore;
  beforeEach(async () => {
    proxy = await startSeveringProxy(databases.server.port);
    const url = new URL(databases.server.url);
    url.port = String(proxy.port);
    remote = openPostgresStore({ url: url.href });
    // Not over the proxy: a session that has prepared COMMIT once sends only its name.
    await store.commit('a', note, put({ services: [service('web')] }));
  });
  afterEach(async () => {
    await remote.close();
    proxy.close();
  });

  it('after the server got it: the change is there, and the call says so', async () => {
    proxy.severAt('COMMIT', 'after');
    const { snapshot, changed } = await remote.commit('a', note, put({ services: [service('x')] }));
    expect([changed, snapshot.cluster.revision]).toEqual([true, 2]);
    expect(await store.snapshot('a')).toEqual(snapshot);
  });

  it('before the server got it: nothing is changed, and the call says so', async () => {
    proxy.severAt('COMMIT', 'before');
    await expect(remote.commit('a', note, put({ services: [service('x')] }))).rejects.toMatchObject(unavailable);
    expect((await store.snapshot('a')).cluster.revision).toBe(1);
    expect((await remote.commit('a', note, put({ services: [service('x')] }))).snapshot.cluster.revision).toBe(2);
  });
});
