import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryView } from '@portolan/flannel';
import { type RunningServer, startEtcd } from '@portolan/harness';
import type { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectEtcd } from '../src/etcd/client.js';
import { openFlannelRegistry } from '../src/etcd/index.js';
import { paced } from '../src/etcd/pace.js';
import { openMemoryFlannelRegistry } from '../src/memory/index.js';
import type { FlannelRegistry } from '../src/ports.js';
import { describeFlannelRegistry, entry, prefix } from './flannel.contract.js';

let server: RunningServer;
let directory: string;
let raw: Etcd3;
let warnings: string[];

async function startServer(): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), 'portolan-etcd-'));
  server = await startEtcd({ directory, durable: false });
  raw = connectEtcd([server.url]);
}
async function stopServer(): Promise<void> {
  raw.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
}
function opened(): FlannelRegistry {
  warnings = [];
  return openFlannelRegistry({ endpoints: [server.url], log: { warn: (_, message) => void warnings.push(message), info: () => undefined } });
}

/** A way to the port that can be taken away. */
async function cuttableLine(port: number): Promise<{ readonly url: string; cut(): Promise<void>; mend(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const line = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  const listen = async (at: number): Promise<void> => {
    line.listen(at, '127.0.0.1');
    await once(line, 'listening');
  };
  await listen(0);
  const address = line.address();
  const own = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${own}`,
    async cut() {
      const closed = once(line, 'close');
      line.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    mend: () => listen(own),
  };
}

/** What each of many calls answers; fifty at a time, for a busy machine. */
async function inWaves<T>(count: number, call: (i: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let start = 0; start < count; start += 50) {
    answers.push(...(await Promise.all(Array.from({ length: Math.min(50, count - start) }, (_, i) => call(start + i)))));
  }
  return answers;
}

describe('both twins', () => {
  beforeAll(startServer);
  afterAll(stopServer);
  describeFlannelRegistry('memory', async () => openMemoryFlannelRegistry());
  describeFlannelRegistry('etcd', async () => {
    await raw.delete().all().exec();
    return opened();
  });
});

describe("flannel's registry over etcd", () => {
  let registry: FlannelRegistry;
  beforeEach(async () => {
    await startServer();
    registry = opened();
  });
  afterEach(async () => {
    await registry.close();
    await stopServer();
  });

  const leaseIds = async (): Promise<readonly string[]> => (await raw.leaseClient.leaseLeases()).leases.map(({ ID }) => ID).sort();
  async function watched(): Promise<(RegistryView | undefined)[]> {
    const views: (RegistryView | undefined)[] = [];
    await registry.watch(prefix, (view) => views.push(view));
    return views;
  }
  const newest = (views: readonly (RegistryView | undefined)[]): Readonly<Record<string, string>> | undefined => {
    const view = views.at(-1);
    return view === undefined ? undefined : Object.fromEntries([...view.subnets.values()].map(({ key, value }) => [key, value]));
  };

  it('has the keys and the TTL of flannel, and ids that are exact', async () => {
    await registry.writeConfig(prefix, '{}', null);
    await registry.write(prefix, entry(1), null);
    const { kvs } = await raw.getAll().prefix('/').exec();
    expect(kvs.map(({ key }) => key.toString())).toEqual(['/coreos.com/network/config', '/coreos.com/network/subnets/10.0.1.0-24']);
    const held = (await registry.read(prefix)).subnets.get('10.0.1.0-24');
    expect([held?.leaseId, held?.modRevision]).toEqual([kvs[1]?.lease, kvs[1]?.mod_revision]);
    // Of 63 bits: as a number it would be another one.
    expect((held?.leaseId ?? '').length).toBeGreaterThan(16);
    expect(await raw.leaseClient.leaseTimeToLive({ ID: held?.leaseId ?? '' })).toMatchObject({ grantedTTL: '86400' });
  });

  it('leaves no lease behind: not of a lost race, not of a replaced entry; one that others use is kept', async () => {
    await Promise.all(Array.from({ length: 10 }, (_, i) => registry.write(prefix, entry(1, String(i)), null)));
    const held = (await registry.read(prefix)).subnets.get(entry(1).key);
    expect(await leaseIds()).toEqual([held?.leaseId]);
    await raw
      .put('other')
      .value('')
      .lease(held?.leaseId ?? '')
      .exec();
    await registry.write(prefix, entry(1, 'y'), held ?? null);
    expect(await leaseIds()).toHaveLength(2);
    expect((await raw.get('other').exec()).kvs).toHaveLength(1);
  });

  it('sees an entry go whose lease was revoked, and says so when it is renewed', async () => {
    const views = await watched();
    await registry.write(prefix, entry(1), null);
    await registry.write(prefix, entry(2), null);
    await vi.waitFor(() => expect(views.at(-1)?.subnets.size).toBe(2));
    const [one, two] = [...(views.at(-1)?.subnets.values() ?? [])].map(({ leaseId }) => leaseId ?? '');
    await raw.leaseClient.leaseRevoke({ ID: one ?? '' });
    await vi.waitFor(() => expect(Object.keys(newest(views) ?? {})).toEqual([entry(2).key]));
    expect(await registry.renew([one ?? '', two ?? ''])).toEqual([one]);
    expect([...(await registry.remaining([one ?? '', two ?? ''])).keys()]).toEqual([two]);
  });

  it('says that etcd does not answer, once, and shows what changed meanwhile when it is back', async () => {
    const views = await watched();
    await registry.write(prefix, entry(1), null);
    await vi.waitFor(() => expect(views.at(-1)?.subnets.size).toBe(1));
    await server.kill('SIGKILL');
    await vi.waitFor(() => expect(views.at(-1)).toBeUndefined(), { timeout: 5_000 });
    await expect(registry.read(prefix)).rejects.toMatchObject({ code: 'store-unavailable' });
    await expect(registry.write(prefix, entry(2), null)).rejects.toMatchObject({ code: 'store-unavailable' });
    await expect(registry.renew(['7'])).rejects.toMatchObject({ code: 'store-unavailable' });
    await server.restart();
    await vi.waitFor(() => raw.put(`${prefix}/subnets/${entry(1).key}`).value('changed'), { timeout: 5_000 });
    await vi.waitFor(() => expect(newest(views)).toEqual({ [entry(1).key]: 'changed' }), { timeout: 5_000 });
    expect([views.filter((view) => view === undefined).length, warnings.length]).toEqual([1, 1]);
    expect(await registry.write(prefix, entry(3), null)).toBe(true);
  });

  it('begins while etcd is down', async () => {
    await server.kill('SIGKILL');
    const views = await watched();
    expect(views).toEqual([undefined]);
    await server.restart();
    await vi.waitFor(() => expect(views.at(-1)).toEqual({ config: null, subnets: new Map() }), { timeout: 5_000 });
  });

  it('shows values that changed and were compacted away while it was cut off', async () => {
    await registry.write(prefix, entry(1, 'old'), null);
    await registry.write(prefix, entry(2), null);
    const line = await cuttableLine(Number(new URL(server.url).port));
    const far = openFlannelRegistry({ endpoints: [line.url] });
    try {
      const views: (RegistryView | undefined)[] = [];
      await far.watch(prefix, (view) => views.push(view));
      expect(newest(views)).toEqual({ [entry(1).key]: entry(1, 'old').value, [entry(2).key]: entry(2).value });
      await line.cut();
      await vi.waitFor(() => expect(views.at(-1)).toBeUndefined(), { timeout: 5_000 });
      await raw.put(`${prefix}/subnets/${entry(1).key}`).value('new');
      await raw
        .delete()
        .key(`${prefix}/subnets/${entry(2).key}`)
        .exec();
      const { header } = await raw.get('x').exec();
      await raw.kv.compact({ revision: header.revision, physical: true });
      await line.mend();
      await vi.waitFor(() => expect(newest(views)).toEqual({ [entry(1).key]: 'new' }), { timeout: 5_000 });
    } finally {
      await far.close();
      await line.cut();
    }
  });

  it('shows a thousand entries that come at once in few views, the last of them whole', async () => {
    const views = await watched();
    const begun = performance.now();
    await inWaves(1_000, (i) =>
      raw
        .put(`${prefix}/subnets/${entry(i).key}`)
        .value(entry(i).value)
        .exec(),
    );
    await vi.waitFor(() => expect(views.at(-1)?.subnets.size).toBe(1_000), { timeout: 10_000 });
    // One at once, and one each 50 ms while they come.
    expect(views.length).toBeLessThanOrEqual(3 + (performance.now() - begun) / 50);
  });

  it('renews many leases, more than go on one stream', async () => {
    const leases = (await inWaves(600, () => raw.leaseClient.leaseGrant({ TTL: 1_000 }))).map(({ ID }) => ID);
    expect(await registry.renew([...leases, '7'])).toEqual(['7']);
    expect((await registry.remaining(leases)).size).toBe(600);
  });
});

describe('one member of several that is down', () => {
  beforeAll(startServer);
  afterAll(stopServer);

  it('is not noticed by anybody', async () => {
    // Nobody listens on port 1. Which member a call tries first is left to chance, hence the many.
    const several = openFlannelRegistry({ endpoints: ['http://127.0.0.1:1', server.url] });
    try {
      for (let i = 0; i < 10; i += 1) expect(await several.write(prefix, entry(i), null)).toBe(true);
      const leases = [...(await several.read(prefix)).subnets.values()].map(({ leaseId }) => leaseId ?? '');
      for (let i = 0; i < 5; i += 1) expect(await several.renew(leases)).toEqual([]);
      expect((await several.remaining(leases)).size).toBe(10);
    } finally {
      await several.close();
    }
  });
});

describe('the pace of views', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is at once, then once a pause, the last one always, and nothing after the end', () => {
    let delivered = 0;
    const { offer, stop } = paced(50, () => {
      delivered += 1;
    });
    offer();
    expect(delivered).toBe(1);
    for (let i = 0; i < 10; i += 1) offer();
    expect(delivered).toBe(1);
    vi.advanceTimersByTime(50);
    expect(delivered).toBe(2);
    vi.advanceTimersByTime(500);
    expect(delivered).toBe(2);
    offer();
    offer();
    expect(delivered).toBe(3);
    stop();
    offer();
    vi.advanceTimersByTime(500);
    expect(delivered).toBe(3);
  });
});
