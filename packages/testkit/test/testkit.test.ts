import { checkSnapshot } from '@portolan/check';
import { largeSnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';

describe('seededIds', () => {
  it('gives the same ids for the same seed, others for another, and none twice', () => {
    const ids = (seed: number): readonly string[] => {
      const next = seededIds(seed);
      return Array.from({ length: 1000 }, next);
    };
    expect(ids(1)).toEqual(ids(1));
    expect(new Set([...ids(1), ...ids(2), ...ids(3)]).size).toBe(3000);
    expect(ids(1).every((id) => /^[a-z0-9]{25}$/.test(id))).toBe(true);
  });
});

describe('snapshots', () => {
  it('are the same in every run', () => {
    expect(sampleSnapshot()).toEqual(sampleSnapshot());
  });

  it('have the size that is asked for', () => {
    const snapshot = largeSnapshot({ nodes: 20, networks: 7, services: 100, endpointsPerService: 3, publishedServices: 30 });
    expect([snapshot.nodes.size, snapshot.networks.size, snapshot.services.size, snapshot.endpoints.size]).toEqual([20, 8, 100, 300]);
    expect([...snapshot.services.values()].filter((service) => service.ports.length > 0)).toHaveLength(30);
    expect(checkSnapshot(snapshot)).toEqual([]);
  });
});
