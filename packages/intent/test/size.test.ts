import { checkSnapshot } from '@portolan/check';
import { applyManifest, createNoun, deleteNoun, findNoun, manifestOf, patchNoun } from '@portolan/intent';
import type { Snapshot } from '@portolan/model';
import { emptySnapshot, largeManifest, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';

/** Bounds are many times what a processor needs, in its own time: they catch work that grows with the square, and no neighbours. */
describe('10,000 services with 10 endpoints each', { timeout: 120_000 }, () => {
  const manifest = largeManifest({ nodes: 500, networks: 100, services: 10_000, endpointsPerService: 10, publishedServices: 1_000 });
  let snapshot: Snapshot = emptySnapshot('large');

  function timed<T>(milliseconds: number, run: () => T): T {
    const start = process.cpuUsage();
    const result = run();
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(milliseconds);
    return result;
  }

  it('are allocated in seconds', () => {
    snapshot = timed(30_000, () => applyManifest(snapshot, manifest, seededIds(1), { now: 0 }));
    expect(snapshot.endpoints.size).toBe(100_000);
    expect(checkSnapshot(snapshot)).toEqual([]);
  });

  it('change nothing when applied again', () => {
    expect(timed(15_000, () => applyManifest(snapshot, manifest, seededIds(2), { now: 0 }))).toBe(snapshot);
    expect(applyManifest(snapshot, manifestOf(snapshot), seededIds(2), { now: 0 })).toBe(snapshot);
  });

  it('let single objects come, change and go without a walk through everything', () => {
    const newId = seededIds(3);
    timed(15_000, () => {
      for (let i = 0; i < 10; i++) {
        snapshot = createNoun(snapshot, 'endpoint', { name: `more${i}`, service: 'service5', node: 'node7', attachment: { pid: 5 } }, newId);
        snapshot = patchNoun(snapshot, 'service', `service${i + 2000}`, { ports: [{ target: 80 }] });
        expect(findNoun(snapshot, 'endpoint', `more${i}`)?.addresses).toHaveLength(2);
        if (i % 2 === 0) snapshot = deleteNoun(snapshot, 'endpoint', `more${i}`);
      }
    });
    expect(checkSnapshot(snapshot)).toEqual([]);
  });
});
