import { applyManifest } from '@portolan/intent';
import { releaseRetired } from '@portolan/ipam';
import { defaultClusterSettings, type Id, type Manifest, type Snapshot } from '@portolan/model';
import { manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMemoryStore } from '../src/memory/index.js';
import type { IntentStore } from '../src/ports.js';
import { openPostgresStore } from '../src/postgres/index.js';
import { startDatabases, type TestDatabases } from './fixtures/database.js';
import { note } from './fixtures/intent.js';

let databases: TestDatabases;
let store: IntentStore;
let peer: IntentStore;
beforeAll(async () => {
  databases = await startDatabases();
  store = openPostgresStore({ url: databases.server.url, poolSize: 2 });
  peer = openPostgresStore({ url: databases.server.url, poolSize: 2 });
  await store.migrate();
});
afterAll(async () => {
  await Promise.all([store.close(), peer.close()]);
  await databases.stop();
});

/** A manifest as the application applies it: what nobody holds any more is free again. */
function applied(manifest: Manifest, ids: () => Id): (snapshot: Snapshot, settledRevision: number) => Snapshot {
  return (snapshot, settledRevision) => {
    const released = releaseRetired(snapshot, settledRevision);
    const after = applyManifest(released, manifest, ids, { now: 0 });
    return after === released ? snapshot : after;
  };
}

describe('manifests, one after another', () => {
  it('are read back from the database exactly as they were committed, and as the twin in memory has them', async () => {
    let seed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(manifestArbitrary(), { minLength: 2, maxLength: 5 }), fc.boolean(), async (manifests, alternate) => {
        seed++;
        const id: Id = seededIds(seed)();
        const cluster = { id, name: `c${seed}`, settings: defaultClusterSettings };
        const twin = openMemoryStore();
        for (const each of [store, twin]) await each.createCluster(cluster);
        const [ids, twinIds] = [seededIds(1000 + seed), seededIds(1000 + seed)];
        for (const [i, manifest] of manifests.entries()) {
          // Two control planes in turn: each finds its snapshot out of date.
          const [writer, reader] = alternate && i % 2 === 1 ? [peer, store] : [store, peer];
          const { snapshot } = await writer.commit(cluster.name, note, applied(manifest, ids));
          expect(await reader.snapshot(cluster.name)).toEqual(snapshot);
          expect((await twin.commit(cluster.name, note, applied(manifest, twinIds))).snapshot).toEqual(snapshot);
          expect(await writer.commit(cluster.name, note, applied(manifest, ids))).toEqual({ snapshot, changed: false });
        }
      }),
      { numRuns: 25 },
    );
  });
});
