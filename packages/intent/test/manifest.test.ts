import { checkSnapshot } from '@portolan/check';
import { applyManifest, manifestOf, observeNode } from '@portolan/intent';
import { releaseRetired } from '@portolan/ipam';
import { diffSnapshots, type Manifest, type Snapshot } from '@portolan/model';
import { bjdtManifest, emptySnapshot, largeManifest, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const sample = sampleSnapshot();
const complete = manifestOf(sample);
const ids = seededIds(99);
const NOW = 1_700_000_000_000;
const apply = (manifest: Manifest, snapshot: Snapshot = sample): Snapshot => applyManifest(snapshot, manifest, ids, { now: NOW });

/** The example with its sections changed. */
function changed(change: (manifest: Required<Omit<Manifest, 'flannel'>>) => Manifest): Manifest {
  return change({ settings: {}, nodes: [], networks: [], services: [], endpoints: [], ...structuredClone(bjdtManifest) });
}

const counts = ({ nodes, networks, services, endpoints }: Snapshot) => [nodes.size, networks.size, services.size, endpoints.size];

function named<T extends { readonly name: string }>(nouns: ReadonlyMap<string, T>, name: string): T {
  const found = [...nouns.values()].find((noun) => noun.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

describe('applyManifest', () => {
  it('changes nothing the second time: the same object comes back', () => {
    expect(apply(bjdtManifest)).toBe(sample);
    expect(apply(complete)).toBe(sample);
    expect(apply({})).toBe(sample);
  });

  it('takes a complete manifest as it is into another cluster', () => {
    const copy = apply(complete, emptySnapshot('copy'));
    expect(manifestOf(copy)).toEqual(complete);
    expect(checkSnapshot(copy)).toEqual([]);
  });

  it('deletes what a section no longer names and leaves other sections alone', () => {
    const after = applyManifest(sample, { endpoints: bjdtManifest.endpoints?.slice(0, 4) ?? [] }, ids, { now: NOW, force: true });
    expect(counts(after)).toEqual([3, 2, 2, 4]);
    expect(after.services).toBe(sample.services);
    expect(diffSnapshots(sample, after).endpoints.deleted.map((e) => e.name)).toEqual(['bjdt_bjdt-dzwl-web.2']);
  });

  it('empties a cluster in one transaction, and fills it again', () => {
    const empty = apply({ nodes: [], networks: [], services: [], endpoints: [] });
    expect(counts(empty)).toEqual([0, 0, 0, 0]);
    expect(counts(apply(bjdtManifest, empty))).toEqual([3, 2, 2, 5]);
  });

  it('keeps the ids, the versions and the allocations of what does not change', () => {
    const after = apply(changed((m) => ({ ...m, services: m.services.map((s) => (s.name === 'bjdt_bjdt-dzwl' ? { ...s, scheduler: 'wrr' as const } : s)) })));
    const { services, ...others } = diffSnapshots(sample, after);
    expect(services.changed.map(({ before, after: now }) => [before.version, now.version, now.scheduler])).toEqual([[1, 2, 'wrr']]);
    expect([others.nodes, others.networks, others.endpoints].flatMap((d) => [...d.created, ...d.changed, ...d.deleted])).toEqual([]);
    expect(after.cluster.revision).toBe(sample.cluster.revision);
  });

  it('lets one object take in the same transaction what another gives up, but not what nodes may still hold', () => {
    const replaced = (pins: object): Manifest =>
      changed((m) => ({
        ...m,
        services: [
          { name: 'new', networks: [{ network: 'bjdt_overlay', ...pins }], ports: [{ published: 8080, target: 80 }] },
          ...m.services.filter((s) => s.name !== 'bjdt_bjdt-dzwl'),
        ],
        endpoints: m.endpoints.filter((e) => e.service !== 'bjdt_bjdt-dzwl'),
      }));
    const after = apply(replaced({}));
    expect(named(after.services, 'new').ports).toMatchObject([{ published: 8080 }]);
    expect(named(after.nodes, 'node3').loadBalancers).toHaveLength(1);
    expect(checkSnapshot(after)).toEqual([]);
    expect(after.retired).toContainEqual({
      pool: 'mark',
      networkId: null,
      value: '329',
      revision: 2,
      holder: { kind: 'service', name: 'bjdt_bjdt-dzwl', serviceId: null },
    });

    const pinned = replaced({ vip: '10.0.0.20', mark: 0x149 });
    expect(refusalsOf(() => apply(pinned))).toEqual(['still-held /services/0/networks/0/vip', 'still-held /services/0/networks/0/mark']);
    expect(refusalsOf(() => apply(pinned, after))).toEqual(['still-held /services/0/networks/0/vip', 'still-held /services/0/networks/0/mark']);
    const settled = apply(pinned, releaseRetired(after, 2));
    expect(named(settled.services, 'new').networks[0]).toMatchObject({ address: '10.0.0.20', mark: 0x149 });
    expect(checkSnapshot(settled)).toEqual([]);
  });

  it('moves published services to another ingress network', () => {
    const after = apply({
      networks: [
        { name: 'mesh', ingress: true },
        { name: 'bjdt_overlay', id: '5mckih8b5zq55feis4xheef5z' },
      ],
    });
    expect(checkSnapshot(after)).toEqual([]);
    const mesh = named(after.networks, 'mesh').id;
    expect([...after.services.values()].every((s) => s.networks.some((own) => own.networkId === mesh))).toBe(true);
    expect([...after.endpoints.values()].every((e) => e.addresses.some((own) => own.networkId === mesh))).toBe(true);
    expect([...after.nodes.values()].every((n) => n.loadBalancers.some((own) => own.networkId === mesh))).toBe(true);
  });

  it('takes the VIP of the ingress network away with the last port', () => {
    const after = apply(changed((m) => ({ ...m, services: m.services.map((s) => ({ ...s, ports: [] })) })));
    expect([...after.services.values()].map((s) => s.networks.length)).toEqual([1, 1]);
    expect([...after.endpoints.values()].map((e) => e.addresses.length)).toEqual([1, 1, 1, 1, 1]);
    expect(checkSnapshot(after)).toEqual([]);
  });

  it('keeps what an agent saw, until the endpoint is in another namespace', () => {
    const endpoint = named(sample.endpoints, 'bjdt_bjdt-dzwl.1');
    const seen = observeNode(sample, endpoint.nodeId, { presence: { [endpoint.id]: 'absent' }, health: {} });
    expect(apply(bjdtManifest, seen)).toBe(seen);
    const moved = apply(
      changed((m) => ({ endpoints: m.endpoints.map((e) => (e.name === endpoint.name ? { ...e, attachment: { pid: 77 } } : e)) })),
      seen,
    );
    expect(named(moved.endpoints, endpoint.name)).toMatchObject({ presence: 'unknown', version: 3, attachment: { pid: 77 } });
  });

  it('merges settings and uses them at once', () => {
    const after = apply({ settings: { addressPools: ['172.20.0.0/16'], underlayMtu: 9000 }, networks: [...(bjdtManifest.networks ?? []), { name: 'more' }] });
    expect(named(after.networks, 'more')).toMatchObject({ subnet: '172.20.0.0/24', mtu: null });
    expect(after.cluster.settings).toMatchObject({ vniRange: [4096, 0xffffff], underlayMtu: 9000 });
    expect(apply({ settings: { underlayMtu: 9000 } }, after)).toBe(after);
  });
});

describe('a manifest that cannot be', () => {
  const wrong: readonly (readonly [what: string, manifest: Manifest, refusals: readonly string[], message: RegExp])[] = [
    ['a name twice', changed((m) => ({ nodes: [...m.nodes, ...m.nodes.slice(1, 2)] })), ['duplicate-name /nodes/3/name'], /"node2" is in this section twice/],
    [
      'an unknown node',
      changed((m) => ({ endpoints: m.endpoints.map((e, i) => (i === 3 ? { ...e, node: 'node9' } : e)) })),
      ['unknown-reference /endpoints/3/node'],
      /no node "node9"/,
    ],
    [
      'an unknown service',
      changed((m) => ({ endpoints: m.endpoints.map((e, i) => (i === 3 ? { ...e, service: 'w' } : e)) })),
      ['unknown-reference /endpoints/3/service'],
      /no service "w"/,
    ],
    [
      'an unknown network',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlai' }] } : s)) })),
      ['unknown-reference /services/1/networks/0/network'],
      /no network "bjdt_overlai"/,
    ],
    [
      'a network that its own networks section drops',
      changed((m) => ({ ...m, networks: m.networks.slice(0, 1) })),
      ['unknown-reference /services/0/networks/0/network', 'unknown-reference /services/1/networks/0/network'],
      /no network "bjdt_overlay"/,
    ],
    [
      'a network in use',
      { networks: [{ name: 'ingress', id: 't17rqrj45unnb42hefovj68mh', ingress: true }] },
      ['in-use /networks'],
      /"bjdt_overlay" is used by service "bjdt_bjdt-dzwl", service "bjdt_bjdt-dzwl-web"/,
    ],
    [
      'a service in use',
      { services: bjdtManifest.services?.slice(0, 1) ?? [] },
      ['in-use /services'],
      /used by endpoint "bjdt_bjdt-dzwl-web.1", endpoint "bjdt_bjdt-dzwl-web.2"/,
    ],
    ['a node in use', { nodes: bjdtManifest.nodes?.slice(0, 2) ?? [] }, ['in-use /nodes'], /"node3" is used by endpoint "bjdt_bjdt-dzwl.3"/],
    ['the ingress network in use', { networks: bjdtManifest.networks?.slice(1) ?? [] }, ['in-use /networks'], /"ingress" is used by/],
    [
      'a VIP twice',
      changed((m) => ({ services: m.services.map((s) => ({ ...s, networks: [{ network: 'bjdt_overlay', vip: '10.0.0.20' }] })) })),
      ['address-taken /services/1/networks/0/vip'],
      /10\.0\.0\.20 is taken by the service "bjdt_bjdt-dzwl"/,
    ],
    [
      'a VIP that an endpoint has',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay', vip: '10.0.0.6' }] } : s)) })),
      ['address-taken /services/1/networks/0/vip'],
      /10\.0\.0\.6 is taken by the endpoint "bjdt_bjdt-dzwl\.1"/,
    ],
    [
      'a VIP on the gateway',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay', vip: '10.0.0.1' }] } : s)) })),
      ['address-taken /services/1/networks/0/vip'],
      /10\.0\.0\.1 is taken by the network "bjdt_overlay"/,
    ],
    [
      'a VIP outside its network',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay', vip: '10.0.1.20' }] } : s)) })),
      ['address-outside-network /services/1/networks/0/vip'],
      /10\.0\.1\.20 is not a host address of the network "bjdt_overlay", 10\.0\.0\.0\/24/,
    ],
    [
      'a VIP that is the broadcast address',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay', vip: '10.0.0.255' }] } : s)) })),
      ['address-outside-network /services/1/networks/0/vip'],
      /not a host address/,
    ],
    [
      'a mark twice',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay', mark: 0x149 }] } : s)) })),
      ['mark-taken /services/1/networks/0/mark'],
      /the mark 329 is taken by the service "bjdt_bjdt-dzwl"/,
    ],
    [
      'a mark twice in one service',
      changed((m) => ({
        services: m.services.map((s, i) =>
          i === 1
            ? {
                ...s,
                networks: [
                  { network: 'bjdt_overlay', mark: 7 },
                  { network: 'ingress', mark: 7 },
                ],
              }
            : s,
        ),
      })),
      ['mark-taken /services/1/networks/1/mark'],
      /7 is given twice/,
    ],
    [
      'a network twice in one service',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, networks: [{ network: 'bjdt_overlay' }, { network: 'bjdt_overlay' }] } : s)) })),
      ['duplicate-name /services/1/networks/1/network'],
      /named twice/,
    ],
    [
      'a port twice',
      changed((m) => ({ services: m.services.map((s, i) => (i === 1 ? { ...s, ports: [{ published: 8080, target: 80 }] } : s)) })),
      ['port-taken /services/1/ports/0/published'],
      /the port 8080 is taken by the service "bjdt_bjdt-dzwl"/,
    ],
    [
      'a port twice in one service',
      changed((m) => ({
        services: m.services.map((s, i) =>
          i === 1
            ? {
                ...s,
                ports: [
                  { published: 80, target: 80 },
                  { published: 80, target: 81 },
                ],
              }
            : s,
        ),
      })),
      ['port-taken /services/1/ports/1/published'],
      /80\/tcp is published twice/,
    ],
    [
      'a VNI twice',
      changed((m) => ({ networks: [...m.networks, { name: 'more', vni: 4097 }] })),
      ['vni-taken /networks/2/vni'],
      /the VNI 4097 is taken by the network "bjdt_overlay"/,
    ],
    [
      'overlapping subnets',
      changed((m) => ({ networks: [...m.networks, { name: 'more', subnet: '10.0.0.0/16' }] })),
      ['subnet-overlap /networks/2/subnet'],
      /10\.0\.0\.0\/16 overlaps 10\.0\.0\.0\/24 of the network "bjdt_overlay"/,
    ],
    [
      'a second ingress network',
      changed((m) => ({ networks: [{ name: 'mesh', ingress: true }, ...m.networks] })),
      ['ingress-exists /networks/0/ingress'],
      /"ingress" is the ingress network/,
    ],
    [
      'an id twice',
      changed((m) => ({ networks: [...m.networks, { name: 'more', id: '5mckih8b5zq55feis4xheef5z' }] })),
      ['duplicate-id /networks/2/id'],
      /is that of the network "bjdt_overlay"/,
    ],
    [
      'another id',
      changed((m) => ({ networks: m.networks.map((n) => ({ ...n, ...(n.name === 'ingress' ? { id: 'a'.repeat(25) } : {}) })) })),
      ['immutable-field /networks/0/id'],
      /the id of the network "ingress" is t17r/,
    ],
    [
      'another subnet while in use',
      changed((m) => ({ networks: m.networks.map((n, i) => (i === 1 ? { name: n.name, subnet: '10.7.0.0/24' } : n)) })),
      ['immutable-field /networks/1/subnet'],
      /cannot change while it is used by service "bjdt_bjdt-dzwl"/,
    ],
    [
      'another VNI while in use',
      changed((m) => ({ networks: m.networks.map((n, i) => (i === 1 ? { ...n, vni: 5000 } : n)) })),
      ['immutable-field /networks/1/vni'],
      /the vni of the network/,
    ],
    [
      'an endpoint on another node',
      changed((m) => ({ endpoints: m.endpoints.map((e, i) => (i === 0 ? { ...e, node: 'node2' } : e)) })),
      ['immutable-field /endpoints/0/node'],
      /the node of the endpoint "bjdt_bjdt-dzwl\.1" cannot be changed/,
    ],
    [
      'an endpoint of another service',
      changed((m) => ({ endpoints: m.endpoints.map((e, i) => (i === 0 ? { ...e, service: 'bjdt_bjdt-dzwl-web' } : e)) })),
      ['immutable-field /endpoints/0/service'],
      /the service of the endpoint/,
    ],
    [
      'an endpoint address in a foreign network',
      changed((m) => ({
        networks: [...m.networks, { name: 'more' }],
        endpoints: m.endpoints.map((e, i) => (i === 0 ? { ...e, addresses: [{ network: 'more', address: '10.0.1.9' }] } : e)),
      })),
      ['unknown-reference /endpoints/0/addresses/0/network'],
      /is not on the network "more"/,
    ],
    [
      'an endpoint address that is taken',
      changed((m) => ({ endpoints: m.endpoints.map((e, i) => (i === 0 ? { ...e, addresses: [{ network: 'bjdt_overlay', address: '10.0.0.7' }] } : e)) })),
      ['address-taken /endpoints/0/addresses/0/address'],
      /10\.0\.0\.7 is taken by the endpoint "bjdt_bjdt-dzwl\.2"/,
    ],
    [
      'a host address twice',
      changed((m) => ({ nodes: [...m.nodes, { name: 'node4', address: '172.16.130.164' }] })),
      ['address-taken /nodes/3/address'],
      /172\.16\.130\.164 is taken by the node "node2"/,
    ],
    [
      'a gateway subnet over a network',
      { settings: { gatewaySubnet: '10.0.0.0/20' } },
      ['subnet-overlap /settings/gatewaySubnet'],
      /network "bjdt_overlay": 10\.0\.0\.0\/24 overlaps the gateway subnet/,
    ],
    [
      'a pool too small for the subnets',
      { settings: { subnetPrefixLength: 8, addressPools: ['10.0.0.0/9'] } },
      ['invalid-document /settings/addressPools/0'],
      /smaller than one subnet of \/8/,
    ],
    [
      'a network without room',
      changed((m) => ({
        networks: [...m.networks, { name: 'more', subnet: '10.3.0.0/30' }],
        services: m.services.map((s) => ({ ...s, networks: [{ network: 'more' }] })),
      })),
      ['pool-exhausted /services/1/networks/0'],
      /"more".*10\.3\.0\.0\/30.*2 addresses\) has no free address: 1 gateway, 1 VIP/,
    ],
  ];

  it.each(wrong)('%s', (_what, manifest, refusals, message) => {
    const problems = problemsOf(() => apply(manifest));
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual(refusals);
    expect(problems[0]?.message).toMatch(message);
    expect(problems.every(({ fix }) => fix.length > 10)).toBe(true);
  });

  it('leaves nothing behind: the sample is what it was', () => {
    for (const [, manifest] of wrong) problemsOf(() => apply(manifest));
    expect(apply(bjdtManifest)).toBe(sample);
  });

  it('publishes nothing without an ingress network', () => {
    const refusals = refusalsOf(() => apply({ networks: [], services: [{ name: 'web', ports: [{ target: 80 }] }] }, emptySnapshot()));
    expect(refusals).toEqual(['ingress-missing /services/0/ports']);
  });

  it('puts no new endpoint on a paused node, but keeps those that it has', () => {
    const nodes = bjdtManifest.nodes?.map((n) => (n.name === 'node3' ? { ...n, availability: 'pause' as const } : n)) ?? [];
    const paused = apply({ nodes });
    expect(apply({ ...bjdtManifest, nodes }, paused)).toBe(paused);
    const more = [...(bjdtManifest.endpoints ?? []), { name: 'x', service: 'bjdt_bjdt-dzwl', node: 'node3', attachment: { pid: 9 } }];
    expect(refusalsOf(() => apply({ endpoints: more }, paused))).toEqual(['node-paused /endpoints/5/node']);
  });

  it('changes subnet, VNI and ingress flag of a network that nothing uses', () => {
    const unused = apply({ ...bjdtManifest, services: [], endpoints: [] });
    const after = apply({ networks: [{ name: 'ingress' }, { name: 'bjdt_overlay', subnet: '10.9.0.0/24', vni: 9, ingress: true }] }, unused);
    expect(named(after.networks, 'bjdt_overlay')).toMatchObject({ subnet: '10.9.0.0/24', gateway: '10.9.0.1', vni: 9, ingress: true });
    expect([...after.nodes.values()].map((n) => n.loadBalancers.map((own) => own.address))).toEqual([['10.9.0.2'], ['10.9.0.3'], ['10.9.0.4']]);
    expect(checkSnapshot(after)).toEqual([]);
  });
});

describe('a large manifest', () => {
  const size = { nodes: 100, networks: 50, services: 10_000, endpointsPerService: 1, publishedServices: 100 };
  const manifest = largeManifest(size);
  const services = manifest.services ?? [];
  const endpoints = manifest.endpoints ?? [];

  it.each<[string, Manifest, string]>([
    [
      'an unknown network',
      { ...manifest, services: services.map((s, i) => (i === 7777 ? { ...s, networks: [{ network: 'overlay99' }] } : s)) },
      'unknown-reference /services/7777/networks/0/network',
    ],
    [
      'an unknown node',
      { ...manifest, endpoints: endpoints.map((e, i) => (i === 9999 ? { ...e, node: 'nodeX' } : e)) },
      'unknown-reference /endpoints/9999/node',
    ],
    [
      'a name twice',
      { ...manifest, services: services.map((s, i) => (i === 7777 ? { ...s, name: 'service1' } : s)), endpoints: [] },
      'duplicate-name /services/7777/name',
    ],
    [
      'a port twice',
      { ...manifest, services: services.map((s, i) => (i === 7777 ? { ...s, ports: [{ published: 10_000, target: 80 }] } : s)) },
      'port-taken /services/7777/ports/0/published',
    ],
    [
      'a VIP outside',
      { ...manifest, services: services.map((s, i) => (i === 7777 ? { ...s, networks: [{ network: 'overlay1', vip: '192.0.2.1' }] } : s)) },
      'address-outside-network /services/7777/networks/0/vip',
    ],
  ])('with %s gives that one problem', (_what, wrong, refusal) => {
    const base = emptySnapshot();
    const start = performance.now();
    expect(refusalsOf(() => apply(wrong, base))).toEqual([refusal]);
    expect(performance.now() - start).toBeLessThan(15_000);
  });
});
