import type { Snapshot } from '@portolan/model';
import { largeSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { balancedPlaces, computeNodeState } from '../src/index.js';
import { snapshotOf } from './snapshots.js';

/** Virtual and real servers by node, as the whole states have them, and as the places of all services give them. */
function bothOf(snapshot: Snapshot): readonly [states: readonly string[], places: readonly string[]] {
  const states = [...snapshot.nodes.values()].flatMap(({ id, name }) =>
    computeNodeState(snapshot, id)
      .objects.filter(({ body }) => body.kind === 'virtual-server' || body.kind === 'real-server')
      .map(({ key, hash }) => `${name} ${key} ${hash}`),
  );
  const places = [...snapshot.services.keys()].flatMap((id) => balancedPlaces(snapshot, id));
  return [states.sort(), places.flatMap(({ node, objects }) => objects.map(({ key, hash }) => `${node.name} ${key} ${hash}`)).sort()];
}

describe('places where a service is balanced', () => {
  it('hold what the states of the nodes hold, and all of it', () => {
    const [states, places] = bothOf(largeSnapshot({ nodes: 7, networks: 3, services: 12, endpointsPerService: 3, publishedServices: 5 }));
    expect(states.length).toBeGreaterThan(100);
    expect(places).toEqual(states);
  });

  it('are also those of policy local, where the node has an endpoint of its own; with dnsrr there is none', () => {
    const snapshot = snapshotOf({
      nodes: [
        { name: 'node2', address: '172.16.0.2', on: { ingress: '10.255.0.3' } },
        { name: 'node1', address: '172.16.0.1', on: { ingress: '10.255.0.2' } },
      ],
      networks: [{ name: 'ingress', ingress: true, vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1' }],
      services: [{ name: 'web', on: { ingress: ['10.255.0.9', 500, 501] }, ports: [{ published: 8443, target: 443, externalTrafficPolicy: 'local' }] }],
      endpoints: [{ name: 'web1', service: 'web', node: 'node1', on: { ingress: '10.255.0.11' } }],
    });
    const [states, places] = bothOf(snapshot);
    expect(places).toEqual(states);
    const [web] = [...snapshot.services.values()];
    const told = (shown: Snapshot) =>
      balancedPlaces(shown, web?.id ?? '').map(({ node, mark, isLocal, objects }) => [node.name, mark, isLocal, objects.length]);
    expect(told(snapshot)).toEqual([
      ['node1', 500, false, 2],
      ['node1', 501, true, 2],
      ['node2', 500, false, 2],
    ]);
    expect(balancedPlaces(snapshot, 'nosuchservice')).toEqual([]);
  });
});
