import { checkSnapshot } from '@portolan/check';
import { applyManifest, manifestOf, patchNoun } from '@portolan/intent';
import type { Manifest, Snapshot } from '@portolan/model';
import { emptySnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const ids = seededIds(7);
const apply = (manifest: Manifest, snapshot: Snapshot = emptySnapshot('swarm')): Snapshot => applyManifest(snapshot, manifest, ids, { now: 0 });

interface Chosen {
  readonly a?: readonly { readonly network: string; readonly address: string }[];
  readonly b?: readonly { readonly network: string; readonly address: string }[];
  readonly gateway?: string;
  readonly secondGateway?: string;
}

/** Two nodes, one service on `front` on both and one on `closed`, which is internal, on the first; what is chosen of their addresses. */
function manifest({ a, b, gateway, secondGateway }: Chosen = {}): Required<Pick<Manifest, 'nodes' | 'networks' | 'services' | 'endpoints' | 'settings'>> {
  const endpoint = (name: string, service: string, node: string, address?: string) => ({
    name,
    service,
    node,
    attachment: { netns: `/run/netns/${name}` },
    ...(address === undefined ? {} : { gateway: { address } }),
  });
  return {
    settings: { gatewaySubnet: '172.18.0.0/16' },
    nodes: [
      { name: 'a', address: '192.0.2.1', ...(a === undefined ? {} : { addresses: [...a] }) },
      { name: 'b', address: '192.0.2.2', ...(b === undefined ? {} : { addresses: [...b] }) },
    ],
    networks: [
      { name: 'ingress', ingress: true, subnet: '10.0.0.0/24' },
      { name: 'front', subnet: '10.0.1.0/24', gateway: '10.0.1.1' },
      { name: 'closed', subnet: '10.0.2.0/24', internal: true },
    ],
    services: [
      { name: 'web', networks: [{ network: 'front' }] },
      { name: 'db', networks: [{ network: 'closed' }] },
    ],
    endpoints: [endpoint('web.1', 'web', 'a', gateway), endpoint('web.2', 'web', 'b', secondGateway), endpoint('db.1', 'db', 'a')],
  };
}

function addressesOf(snapshot: Snapshot, name: string): Readonly<Record<string, string>> {
  const node = [...snapshot.nodes.values()].find((own) => own.name === name);
  return Object.fromEntries((node?.loadBalancers ?? []).map(({ networkId, address }) => [snapshot.networks.get(networkId)?.name ?? '', address]));
}

function gatewayOf(snapshot: Snapshot, name: string): string | null | undefined {
  return [...snapshot.endpoints.values()].find((own) => own.name === name)?.gatewayAddress;
}

describe('chosen addresses of a node', () => {
  it('are kept, and the others are allocated around them', () => {
    const snapshot = apply(
      manifest({
        a: [
          { network: 'front', address: '10.0.1.200' },
          { network: 'ingress', address: '10.0.0.3' },
        ],
      }),
    );
    expect(addressesOf(snapshot, 'a')).toEqual({ front: '10.0.1.200', ingress: '10.0.0.3', closed: '10.0.2.3' });
    expect(addressesOf(snapshot, 'b')).toEqual({ front: '10.0.1.3', ingress: '10.0.0.2' });
    expect(checkSnapshot(snapshot)).toEqual([]);
  });

  it('stay when they are not written again, and exports leave them out', () => {
    const snapshot = apply(manifest({ a: [{ network: 'front', address: '10.0.1.200' }] }));
    expect(manifestOf(snapshot).nodes.map((node) => Object.keys(node))).toEqual([
      ['name', 'role', 'availability', 'address'],
      ['name', 'role', 'availability', 'address'],
    ]);
    expect(apply(manifestOf(snapshot), snapshot)).toBe(snapshot);
    expect(apply(manifest(), snapshot)).toBe(snapshot);
  });

  it('go with the last endpoint there', () => {
    const snapshot = apply(manifest({ a: [{ network: 'front', address: '10.0.1.200' }] }));
    const { endpoints, ...rest } = manifest();
    const after = applyManifest(snapshot, { ...rest, endpoints: endpoints.filter(({ name }) => name !== 'web.1') }, ids, { now: 0, force: true });
    expect(addressesOf(after, 'a')).toEqual({ ingress: '10.0.0.2', closed: expect.any(String) });
  });

  it('can be changed later, by a patch too', () => {
    const snapshot = apply(manifest());
    const after = patchNoun(snapshot, 'node', 'a', { addresses: [{ network: 'front', address: '10.0.1.77' }] });
    expect(addressesOf(after, 'a').front).toBe('10.0.1.77');
    expect(checkSnapshot(after)).toEqual([]);
  });

  it('are refused with a pointer where they are taken, outside, twice, unknown, or of no use', () => {
    const taken = problemsOf(() => apply(manifest({ a: [{ network: 'front', address: '10.0.1.9' }], b: [{ network: 'front', address: '10.0.1.9' }] })));
    expect(taken).toEqual([
      expect.objectContaining({ code: 'address-taken', path: '/nodes/1/addresses/0/address', message: 'the address 10.0.1.9 is taken by the node "a"' }),
    ]);
    const refused = (a: Required<Chosen>['a']): readonly string[] => refusalsOf(() => apply(manifest({ a })));
    expect(refused([{ network: 'front', address: '10.0.2.9' }])).toEqual(['address-outside-network /nodes/0/addresses/0/address']);
    expect(refused([{ network: 'front', address: '10.0.1.1' }])).toEqual(['address-taken /nodes/0/addresses/0/address']);
    expect(refused([{ network: 'back', address: '10.0.1.9' }])).toEqual(['unknown-reference /nodes/0/addresses/0/network']);
    const twice = refused([
      { network: 'front', address: '10.0.1.9' },
      { network: 'front', address: '10.0.1.10' },
    ]);
    expect(twice).toEqual(['duplicate-name /nodes/0/addresses/1/network']);
    const unused = problemsOf(() => apply(manifest({ b: [{ network: 'closed', address: '10.0.2.9' }] })));
    expect(unused).toEqual([
      expect.objectContaining({ path: '/nodes/1/addresses/0/network', message: 'the node "b" has no endpoint in the network "closed"' }),
    ]);
    // Of one node by itself.
    expect(refusalsOf(() => patchNoun(apply(manifest()), 'node', 'b', { addresses: [{ network: 'closed', address: '10.0.2.9' }] }))).toEqual([
      'unknown-reference /addresses/0/network',
    ]);
  });
});

describe('chosen gateway addresses of an endpoint', () => {
  it('are kept, once a node', () => {
    const snapshot = apply(manifest({ gateway: '172.18.0.4', secondGateway: '172.18.0.4' }));
    expect([gatewayOf(snapshot, 'web.1'), gatewayOf(snapshot, 'web.2'), gatewayOf(snapshot, 'db.1')]).toEqual(['172.18.0.4', '172.18.0.4', null]);
    expect(checkSnapshot(snapshot)).toEqual([]);
    expect(apply(manifestOf(snapshot), snapshot)).toBe(snapshot);
    expect(JSON.stringify(manifestOf(snapshot).endpoints)).not.toContain('172.18');
  });

  it('are refused where they are no addresses of endpoints, taken, or of no use', () => {
    expect(refusalsOf(() => apply(manifest({ gateway: '172.18.0.2' })))).toEqual(['address-outside-network /endpoints/0/gateway/address']);
    expect(refusalsOf(() => apply(manifest({ gateway: '172.19.0.3' })))).toEqual(['address-outside-network /endpoints/0/gateway/address']);
    const { endpoints, ...rest } = manifest({ gateway: '172.18.0.4', secondGateway: '172.18.0.4' });
    const together = endpoints.map((endpoint) => ({ ...endpoint, node: 'a' }));
    expect(refusalsOf(() => apply({ ...rest, endpoints: together }))).toEqual(['address-taken /endpoints/1/gateway/address']);
    const closed = manifest().endpoints.map((endpoint) => (endpoint.service === 'db' ? { ...endpoint, gateway: { address: '172.18.0.9' } } : endpoint));
    expect(refusalsOf(() => apply({ ...rest, endpoints: closed }))).toEqual(['unsupported-combination /endpoints/2/gateway']);
  });
});
