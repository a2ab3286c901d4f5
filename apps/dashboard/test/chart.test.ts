import { describe, expect, it } from 'vitest';
import type { Cluster } from '../src/pages/chart/documents.js';
import { graphOf, type Pivot } from '../src/pages/chart/graph.js';
import { grouped } from '../src/pages/chart/groups.js';
import { thingsOf } from '../src/pages/chart/things.js';

/** Service i is on network i modulo `networks`, has two endpoints on the hosts i and i + 1, and each tenth is published. */
function clusterOf(size: { readonly nodes: number; readonly networks: number; readonly services: number; readonly flannel?: boolean }): Cluster {
  const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
  const { flannel = false } = size;
  return {
    revision: 1,
    flannel: flannel ? { network: '10.244.0.0/16', backend: { type: 'vxlan' } } : null,
    nodes: range(size.nodes).map((i) => ({
      ...{ name: `node${i}`, address: `172.16.0.${i}`, condition: 'up', flannelLease: flannel ? { subnet: `10.244.${i}.0/24` } : null },
      status: { alive: true, appliedRevision: 1, degraded: null },
    })),
    networks: range(size.networks).map((i) => ({ name: `net${i}`, vni: 4097 + i, subnet: `10.${i}.0.0/16`, ingress: false })),
    services: range(size.services).map((i) => ({
      name: `service${i}`,
      networks: [{ vip: `10.${i % size.networks}.0.2`, mark: i, network: { name: `net${i % size.networks}`, ingress: false } }],
      ports: i % 10 === 0 ? [{ published: 8000 + i, target: 80, protocol: 'tcp' }] : [],
      endpoints: [0, 1].map((slot) => ({ name: `service${i}.${slot}`, traffic: 'all', node: { name: `node${(i + slot) % size.nodes}` } })),
    })),
  } as Cluster;
}

const chart = (cluster: Cluster, about: string | null = null, pivot: Pivot = 'service') => graphOf(grouped(thingsOf(cluster), about), pivot);
const small = clusterOf({ nodes: 3, networks: 1, services: 2, flannel: true });
const large = clusterOf({ nodes: 1000, networks: 20, services: 500 });

describe('the chart of a small cluster', () => {
  it('has a card for each thing, flannel and its subnets too, and joins what belongs together', () => {
    const { cards, edges } = chart(small);
    expect(cards.map(({ id }) => id)).toEqual([
      ...['service:service0', 'port:tcp/8000', 'service:service1', 'network:net0', 'flannel'],
      ...['node:node0', 'subnet:10.244.0.0/24', 'node:node1', 'subnet:10.244.1.0/24', 'node:node2', 'subnet:10.244.2.0/24'],
    ]);
    expect(edges.map(({ id }) => id)).toContain('port:tcp/8000 service:service0');
    expect(edges.map(({ id }) => id)).toContain('subnet:10.244.1.0/24 node:node1');
    expect(edges).toHaveLength(1 + 2 + 4 + 3 + 3);
  });

  it.each(['node', 'network'] as const)('begins with what it is read by: %s', (pivot) => {
    const { edges } = chart(small, null, pivot);
    const first = pivot === 'node' ? 'node:node0' : 'network:net0';
    expect(edges.some(({ source }) => source === first)).toBe(true);
    expect(edges.some(({ target }) => target === first)).toBe(false);
  });

  it('shows only what a card is joined to', () => {
    expect(chart(small, 'node:node2').cards.map(({ id }) => id)).toEqual(['service:service1', 'node:node2', 'subnet:10.244.2.0/24']);
  });

  it('shows everything where nobody has what is looked at', () => {
    expect(chart(small, 'node:gone').cards).toHaveLength(11);
  });
});

describe('the chart of 1,000 hosts and 500 services', () => {
  it('is as many cards as one can read: hosts by hundreds, services by network, each counted once', () => {
    const { cards, edges } = chart(large);
    expect(cards.length).toBeLessThan(60);
    const count = (kind: string): number => cards.filter(({ data }) => data.kind === kind).reduce((sum, { data }) => sum + Math.max(1, data.cells.length), 0);
    // Networks are told by the groups of their services.
    expect({ hosts: count('host'), services: count('service'), networks: count('network'), ports: count('port') }).toEqual({
      ...{ hosts: 1000, services: 500, networks: 0, ports: 50 },
    });
    expect(edges.length).toBeLessThan(200);
  });

  it('opens a group: its members, and what they are joined to', () => {
    const { cards } = chart(large, 'hosts:3');
    const hosts = cards.filter(({ data }) => data.kind === 'host');
    expect(hosts.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, i) => `node:node${200 + i}`));
  });

  it('opens one of many, found by its name', () => {
    expect(chart(large, 'node:node300').cards.map(({ id }) => id)).toEqual(['service:service299', 'service:service300', 'node:node300']);
  });

  it('says of a group how many of it ail', () => {
    const nodes = large.nodes.map((node, i) => (i === 150 ? { ...node, condition: 'unreachable' as const } : node));
    expect(chart({ ...large, nodes }).cards.find(({ id }) => id === 'hosts:2')?.data).toMatchObject({ tone: 'bad', word: '1 ailing' });
  });
});
