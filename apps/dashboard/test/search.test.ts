import { describe, expect, it } from 'vitest';
import type { Searched } from '../src/shell/search/documents.js';
import { entriesOf } from '../src/shell/search/entries.js';
import { foundOf } from '../src/shell/search/found.js';

/** As the control plane tells the seed example; `further` hosts beside its first. */
function cluster(further = 0): Searched {
  const ingress = { id: 't17rqrj45unnb42hefovj68mh', name: 'ingress', vni: 4096, subnet: '10.255.0.0/16', gateway: '10.255.0.1', ingress: true };
  const overlay = { id: '5mckih8b5zq55feis4xheef5z', name: 'bjdt_overlay', vni: 4097, subnet: '10.0.0.0/24', gateway: '10.0.0.1', ingress: false };
  const onBoth = (address: string, other: string) => [
    { address, network: { name: 'bjdt_overlay' } },
    { address: other, network: { name: 'ingress' } },
  ];
  return {
    nodes: [
      { name: 'node1', address: '172.16.130.140', flannelLease: { subnet: '10.244.1.0/24' }, loadBalancers: onBoth('10.0.0.3', '10.255.0.3') },
      ...Array.from({ length: further }, (_, index) => ({ name: `node${index + 2}`, address: `172.17.0.${index}`, flannelLease: null, loadBalancers: [] })),
    ],
    networks: [ingress, overlay],
    services: [
      {
        name: 'bjdt_bjdt-dzwl',
        networks: [
          { vip: '10.0.0.20', mark: 329, network: { name: 'bjdt_overlay' } },
          { vip: null, mark: null, network: { name: 'ingress' } },
        ],
        ports: [],
      },
      {
        name: 'bjdt_bjdt-dzwl-web',
        networks: [{ vip: '10.0.0.2', mark: 330, network: { name: 'bjdt_overlay' } }],
        ports: [{ published: 8000, target: 80, protocol: 'tcp' }],
      },
    ],
    endpoints: [
      {
        ...{ id: 'iw1xw8yw8k4q2qhjhvlxfsr80', name: 'bjdt_bjdt-dzwl.1', gatewayAddress: '192.168.240.3', flannel: { address: '10.244.1.96' } },
        ...{ addresses: onBoth('10.0.0.6', '10.255.0.6'), node: { name: 'node1' }, service: { name: 'bjdt_bjdt-dzwl' } },
      },
    ],
  };
}

const entries = entriesOf(cluster(39));
/** Titles of what is found, best first. */
const titles = (query: string): string[] => foundOf(entries, query).flatMap(({ entries: own }) => own.map(({ title }) => title));
const first = (query: string): string | undefined => foundOf(entries, query)[0]?.entries[0]?.to;

describe('what is found', () => {
  it('is the pages while nothing is asked, also before the cluster is known', () => {
    expect(foundOf(entriesOf(undefined), ' ').flatMap(({ entries: own }) => own.map(({ to }) => to))).toEqual(
      expect.arrayContaining(['chart', 'nodes', 'services', 'explain', 'plans', 'history', 'drift', 'pools', 'jobs', 'plans?new']),
    );
  });

  it.each([
    ['drift', 'drift'],
    ['NODE7', 'nodes/node7'],
    ['bjdt_bjdt-dzwl', 'services/bjdt_bjdt-dzwl'],
    ['dzwl web', 'services/bjdt_bjdt-dzwl-web'],
    [':8000', 'services/bjdt_bjdt-dzwl-web'],
    ['0x149', 'services/bjdt_bjdt-dzwl'],
    ['mark 330', 'services/bjdt_bjdt-dzwl-web'],
    ['4097', 'chart?about=network%3Abjdt_overlay'],
    ['bjdt_bjdt-dzwl.1', 'nodes/node1?space=endpoint%3Aiw1xw8yw8k4q2qhjhvlxfsr80'],
    ['10.0.0.20', 'services/bjdt_bjdt-dzwl'],
    ['10.0.0.3', 'nodes/node1?space=own%3Alb_5mckih8b5'],
    ['10.255.0.3', 'nodes/node1?space=own%3Aingress_sbox'],
    ['10.244.1.96', 'nodes/node1?space=endpoint%3Aiw1xw8yw8k4q2qhjhvlxfsr80'],
    ['172.16.130.140', 'nodes/node1'],
  ])('by %s leads to %s first', (query, to) => {
    expect(first(query)).toBe(to);
  });

  it('has what is the same before what begins so, and that before what has it somewhere', () => {
    expect(titles('10.0.0.2').filter((title) => title.startsWith('10.'))).toEqual(['10.0.0.2', '10.0.0.20']);
  });

  it('is at most a few of a kind, with how many more there are', () => {
    const [nodes] = foundOf(entries, 'node');
    expect(nodes?.entries.map(({ title }) => title)).toEqual(['Nodes']);
    const group = foundOf(entries, 'node').find(({ kind }) => kind === 'node');
    expect(group?.entries.map(({ title }) => title)).toEqual(['node1', 'node2', 'node3', 'node4', 'node5', 'node6']);
    expect(group?.further).toBe(34);
  });

  it.each([
    ['10.0.0.99', 'explain?to=10.0.0.99'],
    ['bjdt_bjdt-dzwl-web:8000/tcp', 'explain?to=bjdt_bjdt-dzwl-web%3A8000%2Ftcp'],
  ])('by %s ends with its explanation', (query, to) => {
    const last = foundOf(entries, query).at(-1);
    expect([last?.kind, last?.entries[0]?.to]).toEqual(['explain', to]);
  });

  it('is nothing when a part of what is asked is nowhere', () => {
    expect(foundOf(entries, 'node1 nowhere')).toEqual([]);
  });
});

it('has an id of its own for everything', () => {
  const ids = entries.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
