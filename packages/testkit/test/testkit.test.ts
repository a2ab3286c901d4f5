import { checkSnapshot } from '@portolan/check';
import { type Endpoint, type Node, type Service, trafficOf } from '@portolan/model';
import { dataPlaneSnapshot, largeSnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
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
    expect(dataPlaneSnapshot()).toEqual(dataPlaneSnapshot());
  });

  it('of the study keep its numbers', () => {
    const { services, endpoints, retired } = sampleSnapshot();
    expect([...services.values()].map((own) => own.networks.map(({ address, mark }) => [address, mark]))).toEqual([
      [
        ['10.0.0.20', 0x149],
        ['10.255.0.41', 0x10000],
      ],
      [
        ['10.0.0.2', 0x10001],
        ['10.255.0.2', 0x10002],
      ],
    ]);
    expect([...endpoints.values()].map(({ gatewayAddress }) => gatewayAddress)).toEqual([
      '192.168.240.3',
      '192.168.240.3',
      '192.168.240.3',
      '192.168.240.4',
      '192.168.240.4',
    ]);
    expect(retired).toEqual([]);
    expect(checkSnapshot(sampleSnapshot())).toEqual([]);
  });

  it('of the data plane can be applied, and have endpoints in every state', () => {
    const snapshot = dataPlaneSnapshot();
    expect(checkSnapshot(snapshot).filter((finding) => finding.severity === 'block')).toEqual([]);
    const traffic = (endpoint: Endpoint): string => {
      const service: Service | null = endpoint.serviceId === null ? null : (snapshot.services.get(endpoint.serviceId) ?? null);
      const node: Node | undefined = snapshot.nodes.get(endpoint.nodeId);
      return node === undefined ? '' : trafficOf(endpoint, service, node);
    };
    const byTraffic = (wanted: string): readonly string[] => [...snapshot.endpoints.values()].filter((own) => traffic(own) === wanted).map((own) => own.name);
    expect(byTraffic('established')).toEqual(['web.2']);
    expect(byTraffic('nothing')).toEqual(['web.3', 'db.3', 'syslog.2']);
    expect(byTraffic('all')).toHaveLength(14);
  });

  it('have the size that is asked for', () => {
    const snapshot = largeSnapshot({ nodes: 20, networks: 7, services: 100, endpointsPerService: 3, publishedServices: 30 });
    expect([snapshot.nodes.size, snapshot.networks.size, snapshot.services.size, snapshot.endpoints.size]).toEqual([20, 8, 100, 300]);
    expect([...snapshot.services.values()].filter((service) => service.ports.length > 0)).toHaveLength(30);
    expect(checkSnapshot(snapshot)).toEqual([]);
  });
});
