import { checkSnapshot } from '@portolan/check';
import {
  applyManifest,
  cancelDrain,
  createNoun,
  deleteNoun,
  drainEndpoint,
  findNoun,
  finishDrains,
  finishFlannel,
  flannelSpecOf,
  manifestOf,
  observeNode,
  observeRegistry,
  patchNoun,
  removeEndpoint,
  replaceNoun,
  setFlannel,
  specOf,
} from '@portolan/intent';
import type { Endpoint, FlannelBackend, FlannelLease, FlannelSpec, Manifest, Snapshot } from '@portolan/model';
import { emptySnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const NOW = 1_790_000_000_000;
const newId = seededIds(9);
const vxlan: FlannelBackend = { type: 'vxlan' };
const spec: FlannelSpec = { network: '10.244.0.0/16', backend: vxlan };

/** What is committed: with a revision more. */
const commit = (before: Snapshot, after: Snapshot): Snapshot =>
  after === before ? before : { ...after, cluster: { ...after.cluster, revision: before.cluster.revision + 1 } };

const sample = sampleSnapshot();
const withFlannel = commit(sample, setFlannel(sample, spec));

function nodeId(snapshot: Snapshot, name: string): string {
  return findNoun(snapshot, 'node', name)?.id ?? 'none';
}

function lease(snapshot: Snapshot, subnet: string, node: string | null, more: Partial<FlannelLease> = {}): FlannelLease {
  return {
    key: subnet.replace('/', '-'),
    subnet,
    publicAddress: node === null ? '172.16.130.200' : (findNoun(snapshot, 'node', node)?.address ?? null),
    backendType: 'vxlan',
    vni: 1,
    vtepMac: '3a:c6:11:c1:b0:f0',
    nodeId: node === null ? null : nodeId(snapshot, node),
    reserved: false,
    fault: null,
    ...more,
  };
}

const view = (...leases: readonly FlannelLease[]): ReadonlyMap<string, FlannelLease> => new Map(leases.map((own) => [own.key, own]));

/** With subnets of node1 and node2. */
const leased = commit(
  withFlannel,
  observeRegistry(withFlannel, view(lease(withFlannel, '10.244.1.0/24', 'node1'), lease(withFlannel, '10.244.2.0/24', 'node2'))),
);

const pod = (name: string, node: string, address?: string) => ({
  name,
  node,
  attachment: { netns: `/run/netns/${name}` },
  flannel: address === undefined ? {} : { address },
});
const podOf = (snapshot: Snapshot, name: string): Endpoint['flannel'] | undefined => findNoun(snapshot, 'endpoint', name)?.flannel;

describe('setFlannel', () => {
  it('makes the network with what was given, and leaves what was not open', () => {
    expect(withFlannel.flannel).toEqual({
      prefix: '/coreos.com/network',
      network: '10.244.0.0/16',
      subnetLen: null,
      subnetMin: null,
      subnetMax: null,
      backend: vxlan,
      masquerade: true,
      cni: true,
      reservations: [],
      registry: {},
      retiring: [],
      leaving: false,
      backendRevision: 2,
      leasesRevision: 2,
      version: 1,
    });
    expect(setFlannel(withFlannel, spec)).toBe(withFlannel);
  });

  it('knows the nodes of reservations by name, and forgets them with the node', () => {
    const after = setFlannel(withFlannel, { ...spec, reservations: [{ node: 'node3', subnet: '10.244.9.0/24' }] });
    expect(after.flannel?.reservations).toEqual([{ nodeId: nodeId(after, 'node3'), subnet: '10.244.9.0/24' }]);
    expect(after.flannel?.version).toBe(2);
    expect(after.flannel === null ? null : flannelSpecOf(after.flannel, after.nodes).reservations).toEqual([{ node: 'node3', subnet: '10.244.9.0/24' }]);
    const gone = deleteNoun(deleteNoun(after, 'endpoint', 'bjdt_bjdt-dzwl.3'), 'node', 'node3');
    expect(gone.flannel?.reservations).toEqual([]);
    expect(gone.flannel?.version).toBe(3);
  });

  it('keeps the leases of a node that is deleted: they are given back later', () => {
    const held = observeRegistry(withFlannel, view(lease(withFlannel, '10.244.3.0/24', 'node3')));
    const gone = deleteNoun(deleteNoun(held, 'endpoint', 'bjdt_bjdt-dzwl.3'), 'node', 'node3');
    expect(gone.flannelLeases).toBe(held.flannelLeases);
    expect(setFlannel(gone, null).flannel?.leaving).toBe(true);
  });

  it('refuses a reservation for a node that is not there, with what was meant', () => {
    const [problem] = problemsOf(() => setFlannel(sample, { ...spec, reservations: [{ node: 'node33', subnet: '10.244.9.0/24' }] }));
    expect([problem?.code, problem?.path]).toEqual(['unknown-reference', '/reservations/0/node']);
    expect(problem?.fix).toMatch(/Did you mean "node3"/);
  });

  it('keeps its prefix as long as it is there', () => {
    expect(refusalsOf(() => setFlannel(withFlannel, { ...spec, prefix: '/other' }))).toEqual(['immutable-field /prefix']);
    const other = setFlannel(sample, { ...spec, prefix: '/other' });
    expect(setFlannel(other, spec)).toBe(other);
  });

  it.each([
    ['a network of the cluster', { ...spec, network: '10.0.0.0/16' }, {}, 'subnet-overlap /network'],
    ['the gateway subnet', { ...spec, network: '192.168.0.0/16' }, {}, 'subnet-overlap /network'],
    ['the port of the overlays', { ...spec, backend: { type: 'vxlan', port: 4789 } }, {}, 'unsupported-combination /backend/port'],
  ] as const)('refuses to meet %s', (_what, wanted, _settings, refusal) => {
    expect(refusalsOf(() => setFlannel(sample, { ...wanted, backend: { ...wanted.backend } }))).toContain(refusal);
  });

  it('is refused by its version', () => {
    expect(refusalsOf(() => setFlannel(withFlannel, null, 2))).toEqual(['precondition-failed ']);
    expect(refusalsOf(() => setFlannel(sample, spec, 1))).toEqual(['precondition-failed ']);
    expect(setFlannel(withFlannel, null, 1).flannel?.leaving).toBe(true);
  });

  it('names the network of the cluster that comes too late', () => {
    expect(refusalsOf(() => createNoun(withFlannel, 'network', { name: 'more', subnet: '10.244.7.0/24' }, newId))).toEqual(['subnet-overlap /subnet']);
    const pools = { addressPools: ['10.244.0.0/15'], subnetPrefixLength: 24 };
    const narrow = setFlannel(emptySnapshot('c', pools), spec);
    expect(findNoun(createNoun(narrow, 'network', { name: 'more' }, newId), 'network', 'more')?.subnet).toBe('10.245.0.0/24');
  });
});

describe('removing the network', () => {
  it('is done at once while no node takes part', () => {
    const nodes = new Map([...withFlannel.nodes].map(([id, node]) => [id, { ...node, underlayLink: null }]));
    const alone = { ...withFlannel, nodes };
    const foreign = observeRegistry(alone, view(lease(alone, '10.244.1.0/24', null)));
    const after = setFlannel(foreign, null);
    expect([after.flannel, after.flannelLeases.size]).toEqual([null, 0]);
    expect(setFlannel(after, null)).toBe(after);
  });

  it('waits for the subnets of our nodes, and takes no other network meanwhile', () => {
    const leaving = setFlannel(leased, null);
    expect(leaving.flannel).toMatchObject({ leaving: true, version: 2 });
    expect(leaving.flannelLeases).toBe(leased.flannelLeases);
    expect(setFlannel(leaving, null)).toBe(leaving);
    const [problem] = problemsOf(() => setFlannel(leaving, spec));
    expect([problem?.code, problem?.fix]).toEqual(['in-use', 'Wait until it is gone, then set the network again.']);
    expect(refusalsOf(() => createNoun(leaving, 'endpoint', pod('p', 'node1'), newId))).toEqual(['flannel-missing /flannel']);
    expect(manifestOf(leaving).flannel).toBeNull();
    expect(applyManifest(leaving, manifestOf(leaving), newId, { now: NOW })).toBe(leaving);
    expect(finishFlannel(leaving, { retired: [], left: false })).toBe(leaving);
    const gone = finishFlannel(leaving, { retired: [], left: true });
    expect([gone.flannel, gone.flannelLeases.size]).toEqual([null, 0]);
    expect(setFlannel(gone, { ...spec, prefix: '/new' }).flannel?.prefix).toBe('/new');
  });

  it('is refused while endpoints are in it, unless they go in the same document', () => {
    const used = createNoun(leased, 'endpoint', pod('p1', 'node1'), newId);
    const [problem] = problemsOf(() => setFlannel(used, null));
    expect([problem?.code, problem?.path, problem?.message]).toEqual(['in-use', '', 'the flannel network 10.244.0.0/16 is used by endpoint "p1"']);
    const apply = (manifest: Manifest): Snapshot => applyManifest(used, manifest, newId, { now: NOW });
    expect(refusalsOf(() => apply({ flannel: null }))).toEqual(['in-use /flannel']);
    const endpoints = manifestOf(used).endpoints;
    expect(refusalsOf(() => apply({ flannel: null, endpoints }))).toEqual([
      `flannel-missing /endpoints/${endpoints.findIndex(({ name }) => name === 'p1')}/flannel`,
    ]);
    const present = observeNode(used, nodeId(used, 'node1'), { presence: { [findNoun(used, 'endpoint', 'p1')?.id ?? '']: 'present' }, health: {} });
    const after = applyManifest(present, { flannel: null, endpoints: endpoints.filter(({ name }) => name !== 'p1') }, newId, { now: NOW });
    expect([after.flannel?.leaving, findNoun(after, 'endpoint', 'p1')]).toEqual([true, undefined]);
  });

  it('does not forget a network that does not leave', () => {
    expect(finishFlannel(leased, { retired: ['vxlan/1'], left: true })).toBe(leased);
    expect(finishFlannel(sample, { retired: [], left: true })).toBe(sample);
  });
});

describe('another backend', () => {
  const to = (snapshot: Snapshot, backend: FlannelBackend): Snapshot => commit(snapshot, setFlannel(snapshot, { ...spec, backend }));

  it('keeps the one before until nothing uses it', () => {
    const after = to(leased, { type: 'host-gw' });
    expect(after.flannel).toMatchObject({ backend: { type: 'host-gw' }, retiring: [vxlan], backendRevision: 4, leasesRevision: 3, version: 2 });
    const done = finishFlannel(after, { retired: ['vxlan/1', 'host-gw'], left: false });
    expect(done.flannel).toMatchObject({ backend: { type: 'host-gw' }, retiring: [], version: 2 });
  });

  it('goes back by taking it out again', () => {
    const there = to(to(leased, { type: 'host-gw' }), { type: 'udp', port: 9000 });
    expect(there.flannel?.retiring).toEqual([{ type: 'host-gw' }, vxlan]);
    const back = to(there, vxlan);
    expect(back.flannel?.retiring).toEqual([{ type: 'udp', port: 9000 }, { type: 'host-gw' }]);
    expect(finishFlannel(back, { retired: ['vxlan/1'], left: false })).toBe(back);
  });

  it('of the same path takes its place, whether it was chosen or retiring', () => {
    const after = to(leased, { type: 'vxlan', directRouting: true });
    expect(after.flannel).toMatchObject({ retiring: [], backendRevision: 4 });
    const other = to(after, { type: 'vxlan', vni: 2 });
    expect(other.flannel?.retiring).toEqual([{ type: 'vxlan', directRouting: true }]);
    expect(to(other, { type: 'vxlan', port: 9000 }).flannel?.retiring).toEqual([{ type: 'vxlan', vni: 2 }]);
  });

  it('needs no other one where nobody takes part yet', () => {
    const bare = setFlannel(emptySnapshot(), spec);
    expect(setFlannel(bare, { ...spec, backend: { type: 'udp' } }).flannel?.retiring).toEqual([]);
    const foreign = observeRegistry(bare, view(lease(bare, '10.244.1.0/24', null)));
    expect(setFlannel(foreign, { ...spec, backend: { type: 'udp' } }).flannel?.retiring).toEqual([vxlan]);
  });

  it('cannot have the port of one that is held yet', () => {
    expect(refusalsOf(() => to(leased, { type: 'udp', port: 8472 }))).toEqual(['unsupported-combination /backend/port']);
    expect(refusalsOf(() => to(leased, { type: 'vxlan', vni: 2, gbp: true }))).toEqual(['unsupported-combination /backend']);
  });
});

describe('observeRegistry', () => {
  it('notes the revision, keeps what is the same, and is the same when nothing is new', () => {
    expect(leased.flannel).toMatchObject({ leasesRevision: 3, backendRevision: 2, version: 1 });
    expect(observeRegistry(leased, new Map([...leased.flannelLeases].map(([key, own]) => [key, { ...own }])))).toBe(leased);
    const after = observeRegistry(leased, new Map([...leased.flannelLeases].map(([key, own], i) => [key, i === 0 ? { ...own, vtepMac: null } : { ...own }])));
    expect(after.flannel?.leasesRevision).toBe(4);
    expect(after.flannelLeases.get('10.244.2.0-24')).toBe(leased.flannelLeases.get('10.244.2.0-24'));
    expect(observeRegistry(sample, view(lease(sample, '10.244.1.0/24', 'node1')))).toBe(sample);
  });

  it('gives endpoints addresses of the subnets of their nodes', () => {
    const waiting = createNoun(withFlannel, 'endpoint', pod('p1', 'node1'), newId);
    expect(podOf(waiting, 'p1')).toEqual({ address: null, fixed: false });
    const given = observeRegistry(waiting, view(lease(waiting, '10.244.1.0/24', 'node1')));
    expect(podOf(given, 'p1')).toEqual({ address: '10.244.1.128', fixed: false });
    expect(findNoun(given, 'endpoint', 'p1')?.version).toBe(2);
    const moved = observeRegistry(given, view(lease(given, '10.244.5.0/24', 'node1')));
    expect(podOf(moved, 'p1')?.address).toBe('10.244.5.128');
    expect(podOf(observeRegistry(moved, new Map()), 'p1')?.address).toBeNull();
  });
});

describe('an endpoint in the flannel network', () => {
  it('needs one', () => {
    const [problem] = problemsOf(() => createNoun(sample, 'endpoint', pod('p', 'node1'), newId));
    expect([problem?.code, problem?.path, problem?.message]).toEqual([
      'flannel-missing',
      '/flannel',
      'the endpoint "p" cannot join: the cluster has no flannel network',
    ]);
    const document = { endpoints: [...manifestOf(sample).endpoints, pod('p', 'node1')] };
    expect(refusalsOf(() => applyManifest(sample, document, newId, { now: NOW }))).toEqual(['flannel-missing /endpoints/5/flannel']);
    expect(findNoun(applyManifest(sample, { ...document, flannel: spec }, newId, { now: NOW }), 'endpoint', 'p')?.flannel).toEqual({
      address: null,
      fixed: false,
    });
  });

  it('may be in nothing else, and reads as it was written', () => {
    const after = createNoun(leased, 'endpoint', pod('p', 'node1'), newId);
    const endpoint = findNoun(after, 'endpoint', 'p');
    expect(endpoint).toMatchObject({ serviceId: null, addresses: [], gatewayAddress: null, version: 1, flannel: { address: '10.244.1.128', fixed: false } });
    if (endpoint === undefined) throw new Error('missing');
    expect(specOf(after, 'endpoint', endpoint)).toEqual({ ...pod('p', 'node1'), weight: 1, addresses: [] });
    expect(replaceNoun(after, 'endpoint', 'p', specOf(after, 'endpoint', endpoint))).toBe(after);
    expect(patchNoun(after, 'endpoint', 'p', { weight: 1 })).toBe(after);
    expect(checkSnapshot(after).filter(({ severity }) => severity === 'block')).toEqual([]);
  });

  it('can join and leave beside its service, and fix the address that it has', () => {
    const name = 'bjdt_bjdt-dzwl.1';
    const joined = patchNoun(leased, 'endpoint', name, { flannel: {} });
    expect(podOf(joined, name)).toEqual({ address: '10.244.1.128', fixed: false });
    const fixed = patchNoun(joined, 'endpoint', name, { flannel: { address: '10.244.1.128' } });
    expect(podOf(fixed, name)).toEqual({ address: '10.244.1.128', fixed: true });
    expect(podOf(patchNoun(fixed, 'endpoint', name, { flannel: { address: null } }), name)).toEqual({ address: '10.244.1.128', fixed: false });
    const left = patchNoun(fixed, 'endpoint', name, { flannel: null });
    expect(podOf(left, name)).toBeNull();
    expect(findNoun(left, 'endpoint', name)?.gatewayAddress).toBe('192.168.240.3');
  });

  it('leaves its networks with their addresses', () => {
    const open = createNoun(leased, 'network', { name: 'lan', attachable: true }, newId);
    const both = createNoun(open, 'endpoint', { ...pod('p', 'node1'), networks: ['lan'] }, newId);
    expect(findNoun(both, 'endpoint', 'p')?.gatewayAddress).not.toBeNull();
    expect(findNoun(patchNoun(both, 'endpoint', 'p', { networks: null }), 'endpoint', 'p')).toMatchObject({ addresses: [], gatewayAddress: null });
    expect(refusalsOf(() => patchNoun(both, 'endpoint', 'p', { networks: null, flannel: null }))).toEqual(['invalid-document ']);
  });

  it.each([
    ['outside the network', '10.245.1.9', 'address-outside-network /flannel/address'],
    ['the last of the network', '10.244.255.255', 'address-outside-network /flannel/address'],
    ['the first of its node', '10.244.1.0', 'address-outside-network /flannel/address'],
    ['the bridge of its node', '10.244.1.1', 'address-taken /flannel/address'],
    ['the last of its node', '10.244.1.255', 'address-outside-network /flannel/address'],
    ['of another', '10.244.1.96', 'address-taken /flannel/address'],
    ['given to another', '10.244.1.128', 'address-taken /flannel/address'],
  ])('cannot have the address %s', (_what, address, refusal) => {
    const base = createNoun(createNoun(leased, 'endpoint', pod('a', 'node1', '10.244.1.96'), newId), 'endpoint', pod('b', 'node1'), newId);
    expect(refusalsOf(() => createNoun(base, 'endpoint', pod('p', 'node1', address), newId))).toEqual([refusal]);
  });

  it('keeps the network where its address is', () => {
    const fixed = createNoun(leased, 'endpoint', pod('p', 'node1', '10.244.1.96'), newId);
    const moved = { ...spec, network: '10.245.0.0/16' };
    expect(refusalsOf(() => setFlannel(fixed, moved))).toEqual(['address-outside-network /network']);
    expect(refusalsOf(() => applyManifest(fixed, { flannel: moved }, newId, { now: NOW }))).toEqual(['address-outside-network /flannel/network']);
  });

  it('drains and goes as any other', () => {
    const made = createNoun(leased, 'endpoint', pod('p', 'node1'), newId);
    const id = findNoun(made, 'endpoint', 'p')?.id ?? '';
    const present = observeNode(made, nodeId(made, 'node1'), { presence: { [id]: 'present' }, health: { [id]: 'unhealthy' } });
    expect(present.endpoints.get(id)).toMatchObject({ presence: 'present', health: 'unknown' });
    const leaving = removeEndpoint(present, 'p', { now: NOW, force: false });
    expect(leaving.endpoints.get(id)).toMatchObject({ drain: { removes: true }, flannel: { address: '10.244.1.128' } });
    expect(cancelDrain(leaving, 'p').endpoints.get(id)?.drain).toBeNull();
    expect(findNoun(finishDrains(leaving, [id]), 'endpoint', 'p')).toBeUndefined();
    expect(drainEndpoint(present, 'p', { now: NOW, removes: false }).endpoints.get(id)?.drain?.removes).toBe(false);
    const unnamed = applyManifest(present, { endpoints: manifestOf(present).endpoints.filter(({ name }) => name !== 'p') }, newId, { now: NOW });
    expect(unnamed.endpoints.get(id)?.drain?.removes).toBe(true);
    expect(findNoun(removeEndpoint(made, 'p', { now: NOW, force: false }), 'endpoint', 'p')).toBeUndefined();
  });
});

describe('the underlay of a node', () => {
  it('is what its agent reports, and is forgotten with its address', () => {
    const id = nodeId(sample, 'node1');
    const seen = { presence: {}, health: {}, underlayLink: 'eth1', onLink: ['172.16.130.0/24', '192.0.2.0/25'] };
    const after = observeNode(sample, id, seen);
    expect(after.nodes.get(id)).toMatchObject({ underlayLink: 'eth1', onLink: ['172.16.130.0/24', '192.0.2.0/25'], underlayMtu: 1500 });
    expect(observeNode(after, id, { ...seen, onLink: [...seen.onLink] })).toBe(after);
    expect(observeNode(after, id, { presence: {}, health: {} })).toBe(after);
    expect(observeNode(after, id, { ...seen, onLink: [] }).nodes.get(id)?.onLink).toEqual([]);
    expect(patchNoun(after, 'node', 'node1', { role: 'worker' }).nodes.get(id)).toMatchObject({ underlayLink: 'eth1' });
    expect(patchNoun(after, 'node', 'node1', { address: '172.16.130.141' }).nodes.get(id)).toMatchObject({ underlayLink: null, onLink: [] });
  });
});
