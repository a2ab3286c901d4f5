import {
  applyManifest,
  drainEndpoint,
  manifestOf,
  type Nouns,
  observeNode,
  observeRegistry,
  patchNoun,
  patchSettings,
  rollbackEdit,
  setFlannel,
} from '@portolan/intent';
import { releaseRetired, sameNoun } from '@portolan/ipam';
import type { EndpointSpec, Flannel, Manifest, NounKind, Snapshot } from '@portolan/model';
import { dataPlaneSnapshot, emptySnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { NOW } from './lives.js';
import { problemsOf, refusalsOf } from './refusal.js';

const newId = seededIds(41);
const options = { now: NOW };
const apply = (snapshot: Snapshot, manifest: Manifest): Snapshot => committed(snapshot, applyManifest(snapshot, manifest, newId, { now: NOW, force: true }));
const back = (current: Snapshot, past: Snapshot, force = false): Snapshot => rollbackEdit(current, past, newId, { ...options, force });
const settled = (snapshot: Snapshot): Snapshot => releaseRetired(snapshot, snapshot.cluster.revision);

function committed(before: Snapshot, after: Snapshot): Snapshot {
  return after === before ? after : { ...after, cluster: { ...after.cluster, revision: before.cluster.revision + 1 } };
}

function named<T extends { readonly name: string }>(nouns: ReadonlyMap<string, T>, name: string): T {
  const found = [...nouns.values()].find((noun) => noun.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

const sample = sampleSnapshot();
const front = 'bjdt_bjdt-dzwl-web';

describe('going back', () => {
  it('is no change where nothing was changed, or nothing but what is observed', () => {
    expect(back(sample, sample)).toBe(sample);
    const { id } = named(sample.nodes, 'node1');
    const seen = committed(
      sample,
      observeNode(sample, id, { presence: { [named(sample.endpoints, `${front}.1`).id]: 'absent' }, health: {}, underlayMtu: 1400 }),
    );
    expect(back(seen, sample)).toBe(seen);
  });

  it('takes settings back, and keeps what was observed since', () => {
    const { id } = named(sample.nodes, 'node1');
    const changed = committed(sample, patchSettings(sample, { driftPolicy: 'report', gatewaySubnet: '172.30.0.0/16', dnsTtl: 60 }));
    const seen = committed(changed, observeNode(changed, id, { presence: {}, health: {}, underlayMtu: 1400 }));
    const after = back(seen, sample);
    expect(after.cluster.settings).toEqual(sample.cluster.settings);
    expect(after.nodes.get(id)?.underlayMtu).toBe(1400);
    for (const { name, gatewayAddress } of sample.endpoints.values()) expect(named(after.endpoints, name).gatewayAddress).toBe(gatewayAddress);
  });

  it('gives what was deleted all that it had', () => {
    const plane = dataPlaneSnapshot();
    const rest = manifestOf(plane);
    const gone = apply(plane, { services: [], endpoints: [], networks: [] });
    const after = back(gone, plane);
    expect(manifestOf(after)).toEqual({ ...rest, flannel: manifestOf(gone).flannel });
    const isSame = <K extends NounKind>(kind: K, was: Nouns[K], is: Nouns[K] | undefined): boolean => is !== undefined && sameNoun(kind, was, is);
    for (const was of plane.services.values()) expect(isSame('service', was, after.services.get(was.id)), was.name).toBe(true);
    for (const was of plane.networks.values()) expect(isSame('network', was, after.networks.get(was.id)), was.name).toBe(true);
    for (const was of plane.endpoints.values()) {
      if (was.drain?.removes === true) continue;
      expect(isSame('endpoint', { ...was, presence: 'unknown', health: 'unknown', drain: null }, after.endpoints.get(was.id)), was.name).toBe(true);
    }
    for (const was of plane.nodes.values()) expect(new Set(after.nodes.get(was.id)?.loadBalancers)).toEqual(new Set(was.loadBalancers));
  });

  it('lets what was not there then drain, unless it is forced', () => {
    const spec = { name: `${front}.3`, service: front, node: 'node3', attachment: { netns: '/run/netns/web-3' } };
    const more = apply(sample, { endpoints: [...manifestOf(sample).endpoints, spec] });
    const { id } = named(more.endpoints, spec.name);
    const seen = committed(more, observeNode(more, named(more.nodes, 'node3').id, { presence: { [id]: 'present' }, health: {} }));
    expect(back(seen, sample).endpoints.get(id)?.drain).toMatchObject({ removes: true, deadline: NOW + 30_000 });
    expect(back(seen, sample, true).endpoints.has(id)).toBe(false);
    expect(back(more, sample).endpoints.has(id)).toBe(false);
  });

  it('keeps an endpoint that was to leave since', () => {
    const leaving = committed(sample, drainEndpoint(sample, `${front}.1`, { now: NOW, removes: true }));
    expect(named(back(leaving, sample).endpoints, `${front}.1`).drain).toBeNull();
  });
});

const endpoint = (name: string, node: string): EndpointSpec => ({
  name,
  service: name.slice(0, name.indexOf('.')),
  node,
  attachment: { netns: `/run/netns/${name}` },
});
const nodes = ['a', 'b'].map((name, i) => ({ name, address: `172.16.0.${i + 1}` }));
const networks = [
  { name: 'one', subnet: '10.1.0.0/24', vni: 5001 },
  { name: 'two', subnet: '10.2.0.0/24', vni: 5002 },
];
const services = [
  {
    name: 'web',
    networks: [
      { network: 'one', vip: '10.1.0.20', mark: 70000 },
      { network: 'two', vip: '10.2.0.20' },
    ],
  },
];
const first = apply(emptySnapshot(), { nodes, networks, services, endpoints: [endpoint('web.1', 'a')] });

describe('values that others have by now', () => {
  it('are not taken from them: others are given', () => {
    const without = settled(apply(first, { services: [], endpoints: [] }));
    const pinned = { name: 'api', networks: [{ network: 'one', vip: '10.1.0.20', mark: 70000 }, { network: 'two' }] };
    const own = named(first.endpoints, 'web.1').addresses.map(({ networkId, address }) => ({ network: first.networks.get(networkId)?.name ?? '', address }));
    const other = settled(apply(without, { services: [pinned], endpoints: [{ ...endpoint('api.1', 'a'), addresses: own }] }));
    const after = back(other, first, true);
    const [at] = named(after.services, 'web').networks;
    expect([at?.address === '10.1.0.20', at?.mark === 70000]).toEqual([false, false]);
    expect(named(after.endpoints, 'web.1').addresses.map(({ networkId }) => networkId)).toEqual(
      named(first.endpoints, 'web.1').addresses.map(({ networkId }) => networkId),
    );
    for (const { address } of named(after.endpoints, 'web.1').addresses) expect(own.map((was) => was.address)).not.toContain(address);
    // What it did not lose it has again.
    expect(named(after.services, 'web').networks[1]?.address).toBe('10.2.0.20');
    expect(after.services.size).toBe(1);
  });

  it('and VNIs that its own subnets have changed among them', () => {
    const subnets = (...vnis: readonly number[]) => [
      { ...networks[0], name: 'one', extraSubnets: vnis.map((vni, i) => ({ subnet: `10.1.${i + 1}.0/24`, vni })) },
    ];
    const was = apply(emptySnapshot(), { networks: subnets(6001, 6002) });
    const moved = settled(apply(was, { networks: subnets(6002, 6003) }));
    const taken = settled(apply(moved, { networks: [...subnets(6002, 6003), { name: 'other', vni: 6001 }] }));
    const after = back(taken, was);
    expect(named(after.networks, 'one').extraSubnets.map(({ vni }) => vni)).toEqual([6002, 6003]);
    expect(after.networks.size).toBe(1);
  });
});

describe('objects that were made anew meanwhile', () => {
  const elsewhere = apply(apply(first, { endpoints: [] }), { endpoints: [endpoint('web.1', 'b')] });
  const { id } = named(elsewhere.endpoints, 'web.1');

  it('go back to their node when nothing is sent to them, or by force', () => {
    const after = back(elsewhere, first);
    expect(named(after.endpoints, 'web.1')).toEqual({ ...named(first.endpoints, 'web.1'), version: 1 });
    const served = committed(elsewhere, observeNode(elsewhere, named(elsewhere.nodes, 'b').id, { presence: { [id]: 'present' }, health: {} }));
    expect(refusalsOf(() => back(served, first))).toEqual(['immutable-field /endpoints/0/node']);
    expect(problemsOf(() => back(served, first))[0]?.fix).toContain('force');
    expect(named(back(served, first, true).endpoints, 'web.1').nodeId).toBe(named(first.nodes, 'a').id);
  });

  it('keep the id of a network that has the name, and go back to its subnet though it is used', () => {
    const none = apply(first, { networks: [], services: [], endpoints: [] });
    const other = apply(none, {
      networks: [{ name: 'one', subnet: '10.9.0.0/24' }],
      services: [{ name: 'web', networks: [{ network: 'one' }] }],
      endpoints: [endpoint('web.1', 'a')],
    });
    const after = back(other, first);
    expect(named(after.networks, 'one')).toMatchObject({ id: named(other.networks, 'one').id, subnet: '10.1.0.0/24', vni: 5001 });
    expect(named(after.networks, 'two').id).toBe(named(first.networks, 'two').id);
    expect(named(after.services, 'web').networks[0]).toMatchObject({ address: '10.1.0.20', mark: 70000 });
  });

  it('do not take an id that another network was given', () => {
    const own = named(first.networks, 'one').id;
    const other = apply(apply(first, { networks: [], services: [], endpoints: [] }), { networks: [{ name: 'three', id: own }] });
    const after = back(other, first);
    expect([...after.networks.values()].map(({ name }) => name).sort()).toEqual(['one', 'two']);
    expect(named(after.networks, 'one').id).not.toBe(own);
  });

  it('get new ids when they are nodes', () => {
    const gone = apply(first, { nodes: nodes.slice(1), endpoints: [] });
    const after = back(gone, first);
    expect(named(after.nodes, 'a').id).not.toBe(named(first.nodes, 'a').id);
    expect(named(after.nodes, 'a').loadBalancers).toEqual(named(first.nodes, 'a').loadBalancers);
    expect(named(after.endpoints, 'web.1')).toMatchObject({ id: named(first.endpoints, 'web.1').id, nodeId: named(after.nodes, 'a').id });
  });

  it('come back to a node that takes no new ones', () => {
    const paused = committed(first, patchNoun(first, 'node', 'a', { availability: 'pause' }));
    const after = back(apply(paused, { endpoints: [] }), paused);
    expect(named(after.endpoints, 'web.1').nodeId).toBe(named(first.nodes, 'a').id);
  });
});

describe('a flannel network', () => {
  const flannel = { network: '10.244.0.0/16', backend: { type: 'vxlan' as const }, cni: false };
  const pod = { name: 'pod', node: 'a', attachment: { pid: 4000 }, flannel: {} };
  const plain = apply(emptySnapshot(), { nodes, flannel, endpoints: [pod] });
  const nodeId = named(plain.nodes, 'a').id;
  const seen = committed(plain, observeNode(plain, nodeId, { presence: {}, health: {}, underlayMtu: 1500, underlayLink: 'eth0' }));
  const lease = {
    key: '10.244.1.0-24',
    subnet: '10.244.1.0/24',
    publicAddress: '172.16.0.1',
    backendType: 'vxlan',
    vni: 1,
    vtepMac: '02:00:00:00:00:01',
    nodeId,
    reserved: false,
    fault: null,
  };
  const past = committed(seen, observeRegistry(seen, new Map([[lease.key, lease]])));

  it('comes back while it leaves, and is written anew for nodes that have it again', () => {
    const leaving = apply(past, { endpoints: [], flannel: null });
    expect(leaving.flannel?.leaving).toBe(true);
    const after = back(leaving, past);
    expect(after.flannel).toMatchObject({
      leaving: false,
      backendRevision: leaving.cluster.revision + 1,
      version: (leaving.flannel?.version ?? 0) + 1,
    } satisfies Partial<Flannel>);
    expect(named(after.endpoints, 'pod').flannel).toEqual({ address: '10.244.1.2', fixed: false });
    expect(manifestOf(after)).toEqual(manifestOf(past));
  });

  it('goes with its endpoints where there was none', () => {
    const none = apply(emptySnapshot(), { nodes });
    expect(manifestOf(back(past, none))).toEqual(manifestOf(none));
  });

  it('of another prefix is refused, as by a manifest', () => {
    const other = committed(
      past,
      setFlannel(apply({ ...apply(past, { endpoints: [], flannel: null }), flannel: null, flannelLeases: new Map() }, {}), { ...flannel, prefix: '/other' }),
    );
    expect(refusalsOf(() => back(other, past))).toEqual(['immutable-field /flannel/prefix']);
  });

  it('has pods at the addresses that they had', () => {
    const two = apply(past, { endpoints: [pod, { ...pod, name: 'qod' }] });
    const second = named(two.endpoints, 'qod').flannel?.address;
    const gone = apply(two, { endpoints: [pod] });
    const after = back(apply(gone, { endpoints: [] }), two);
    expect([named(after.endpoints, 'pod').flannel?.address, named(after.endpoints, 'qod').flannel?.address]).toEqual(['10.244.1.2', second]);
  });
});
