import { checkSnapshot } from '@portolan/check';
import { applyManifest, createNoun, deleteNoun, findNoun, manifestOf, type NounSpecs, parseManifest, patchNoun, replaceNoun, specOf } from '@portolan/intent';
import { releaseRetired } from '@portolan/ipam';
import { effectiveMtu, type NounKind, nounCollections, nounKinds, type Snapshot } from '@portolan/model';
import { dataPlaneManifest, dataPlaneSnapshot, emptySnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const sample = dataPlaneSnapshot();
const ids = seededIds(41);
const attachment = { pid: 9 };

function found<K extends NounKind>(snapshot: Snapshot, kind: K, name: string) {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw new Error(`there is no ${kind} ${name}`);
  return noun;
}
const create = <K extends NounKind>(kind: K, spec: NounSpecs[K], snapshot = sample): Snapshot => createNoun(snapshot, kind, spec, ids);
const patch = (kind: NounKind, name: string, change: unknown, snapshot = sample): Snapshot => patchNoun(snapshot, kind, name, change);
const networkOf = (snapshot: Snapshot, service: string, network: string) =>
  found(snapshot, 'service', service).networks.find((own) => own.networkId === found(snapshot, 'network', network).id);
const blocks = (snapshot: Snapshot) => checkSnapshot(snapshot).filter((finding) => finding.severity === 'block');

describe('a cluster with one of everything', () => {
  it('is a valid manifest, and is read back as one that makes the same cluster', () => {
    expect(parseManifest(dataPlaneManifest)).toBe(dataPlaneManifest);
    const exported = manifestOf(sample);
    expect(parseManifest(exported)).toBe(exported);
    const copy = applyManifest(emptySnapshot('copy'), exported, ids, { now: 0 });
    expect(manifestOf(copy)).toEqual(exported);
    expect(applyManifest(sample, exported, ids, { now: 0 })).toBe(sample);
  });

  it.each(nounKinds)('changes nothing when a %s is sent back as it is', (kind) => {
    for (const noun of sample[nounCollections[kind]].values()) {
      const spec = specOf(sample, kind, noun as never);
      if (noun.name !== 'web.2') expect(replaceNoun(sample, kind, noun.name, spec, noun.version)).toBe(sample);
      expect(patch(kind, noun.name, spec)).toBe(sample);
      expect(patch(kind, noun.name, {})).toBe(sample);
    }
  });

  it('leaves out of a spec what is computed, what follows from the cluster, and what is empty', () => {
    expect(specOf(sample, 'network', found(sample, 'network', 'back'))).toEqual({
      name: 'back',
      id: found(sample, 'network', 'back').id,
      ingress: false,
      vni: 4098,
      subnet: '10.2.0.0/24',
      gateway: '10.2.0.1',
      internal: true,
      attachable: false,
      dsr: false,
    });
    expect(specOf(sample, 'network', found(sample, 'network', 'lan')).mtu).toBe(1400);
    expect(specOf(sample, 'service', found(sample, 'service', 'db'))).toEqual({
      name: 'db',
      networks: [{ network: 'back', aliases: ['database'] }],
      ports: [],
      endpointMode: 'dnsrr',
      scheduler: 'rr',
      persistence: 0,
    });
    expect(specOf(sample, 'service', found(sample, 'service', 'web')).healthCheck).toEqual({
      kind: 'http',
      path: '/healthz',
      port: 80,
      intervalMs: 1000,
      timeoutMs: 500,
      failures: 2,
      successes: 2,
    });
    expect(specOf(sample, 'endpoint', found(sample, 'endpoint', 'debug'))).toMatchObject({ networks: ['lan'], aliases: ['toolbox'] });
    expect(Object.keys(specOf(sample, 'endpoint', found(sample, 'endpoint', 'debug')))).not.toContain('service');
  });
});

describe('the endpoint mode', () => {
  it('frees the VIPs with dnsrr, and back allocates others, until every node has let them go', () => {
    const dnsrr = patch('service', 'cache', { endpointMode: 'dnsrr', persistence: null });
    expect(networkOf(dnsrr, 'cache', 'direct')).toMatchObject({ address: null, mark: null });
    expect(dnsrr.retired.map(({ value }) => value)).toEqual(expect.arrayContaining(['10.5.0.20', String(0x10007)]));
    expect(found(dnsrr, 'endpoint', 'cache.1').addresses).toEqual(found(sample, 'endpoint', 'cache.1').addresses);
    const back = patch('service', 'cache', { endpointMode: 'vip' }, dnsrr);
    expect(networkOf(back, 'cache', 'direct')?.address).not.toBe('10.5.0.20');
    expect(networkOf(back, 'cache', 'direct')?.mark).not.toBe(0x10007);
    const pinned = patch('service', 'cache', { endpointMode: 'vip', networks: [{ network: 'direct', vip: '10.5.0.20', mark: 0x10007 }] }, dnsrr);
    expect(networkOf(pinned, 'cache', 'direct')).toMatchObject({ address: '10.5.0.20', mark: 0x10007 });
    for (const snapshot of [dnsrr, back, pinned]) expect(blocks(snapshot)).toEqual([]);
  });

  it('gives a mark for policy local while a port has it', () => {
    expect(networkOf(sample, 'web', 'ingress')?.localMark).toBe(0x10000);
    const cluster = patch('service', 'web', { ports: [{ published: 8000, target: 80 }] });
    expect(networkOf(cluster, 'web', 'ingress')).toMatchObject({ localMark: null, mark: 0x10003 });
    expect(cluster.retired.map(({ value }) => value)).toEqual([String(0x10000)]);
    const local = patch('service', 'web', { ports: [{ published: 8000, target: 80, externalTrafficPolicy: 'local' }] }, cluster);
    expect(networkOf(local, 'web', 'ingress')?.localMark).toBe(0x10008);
    expect(blocks(local)).toEqual([]);
  });

  it('leaves the ingress network with the last port of the mesh', () => {
    const after = patch('service', 'syslog', { ports: [{ published: 5140, target: 514, protocol: 'udp', mode: 'host' }] });
    expect(networkOf(after, 'syslog', 'ingress')).toBeUndefined();
    expect(found(after, 'endpoint', 'syslog.1').addresses).toHaveLength(1);
    expect(blocks(after)).toEqual([]);
  });
});

describe('a network', () => {
  it('has the MTU that fits unless one is pinned', () => {
    const after = patch('network', 'lan', { mtu: null });
    expect(found(after, 'network', 'lan').mtu).toBeNull();
    expect(effectiveMtu(after, found(after, 'network', 'lan'))).toBe(1450);
  });

  it('gets more subnets while it is used, and gives up those that nothing is in', () => {
    const more = patch('network', 'front', { extraSubnets: [{ subnet: '10.9.0.0/24' }] });
    expect(found(more, 'network', 'front').extraSubnets).toEqual([{ subnet: '10.9.0.0/24', gateway: '10.9.0.1', vni: 4103 }]);
    const spec = { name: 'front', subnet: '10.1.0.0/24', ipvsTimeouts: { tcp: 3600, tcpFin: 60, udp: 120 } };
    expect(replaceNoun(more, 'network', 'front', { ...spec, extraSubnets: [{ subnet: '10.9.0.0/24' }] })).toBe(more);
    const less = replaceNoun(more, 'network', 'front', spec);
    expect(found(less, 'network', 'front').extraSubnets).toEqual([]);
    expect(less.retired.map(({ pool, value }) => [pool, value])).toContainEqual(['vni', '4103']);
    for (const snapshot of [more, less]) expect(blocks(snapshot)).toEqual([]);
  });

  it('lets an endpoint find a place in another subnet when the first is full', () => {
    const crowded = Array.from({ length: 9 }, (_, i) => `more${i}`).reduce(
      (snapshot, name) => create('endpoint', { name, service: 'syslog', node: 'node1', attachment }, snapshot),
      sample,
    );
    const addresses = [...crowded.endpoints.values()].flatMap((own) => own.addresses.map(({ address }) => address));
    expect(addresses.filter((address) => address.startsWith('10.3.1.'))).toEqual(['10.3.1.10', '10.3.1.2', '10.3.1.3']);
    expect(blocks(crowded)).toEqual([]);
  });

  it('that becomes internal takes the way out from its endpoints', () => {
    const after = patch('network', 'front', { internal: true });
    expect(found(after, 'endpoint', 'web.1').gatewayAddress).toBeNull();
    const back = patch('network', 'front', { internal: false }, after);
    expect(found(back, 'endpoint', 'web.1').gatewayAddress).toMatch(/^192\.168\.240\./);
    for (const snapshot of [after, back]) expect(blocks(snapshot)).toEqual([]);
  });

  it('of the routing mesh can be replaced by one with another subnet', () => {
    const manifest = manifestOf(sample);
    const networks = [...manifest.networks.filter((own) => !own.ingress), { name: 'mesh', ingress: true, subnet: '10.254.0.0/16' }];
    const after = applyManifest(sample, { networks }, ids, { now: 0 });
    expect(networkOf(after, 'web', 'mesh')).toMatchObject({ address: expect.stringMatching(/^10\.254\./), mark: expect.any(Number) });
    expect(networkOf(after, 'web', 'mesh')?.localMark).not.toBeNull();
    expect(found(after, 'service', 'metrics')).toBe(found(sample, 'service', 'metrics'));
    expect(blocks(after)).toEqual([]);
  });
});

describe('an endpoint without a service', () => {
  it('joins other networks when it is told to', () => {
    const open = patch('network', 'front', { attachable: true });
    const after = patch('endpoint', 'debug', { networks: ['front'] }, open);
    expect(found(after, 'endpoint', 'debug').addresses.map(({ address }) => address)).toEqual([expect.stringMatching(/^10\.1\.0\./)]);
    expect(patch('network', 'lan', { attachable: false }, after).networks.size).toBe(6);
    expect(blocks(after)).toEqual([]);
  });

  it('can be created and deleted as any other', () => {
    const spec = { name: 'shell', networks: ['lan'], node: 'node2', attachment, addresses: [{ network: 'lan', address: '10.4.0.77' }] };
    const after = create('endpoint', spec);
    expect(found(after, 'endpoint', 'shell')).toMatchObject({ serviceId: null, presence: 'unknown', gatewayAddress: expect.any(String) });
    expect(deleteNoun(after, 'endpoint', 'shell').endpoints.size).toBe(sample.endpoints.size);
  });
});

describe('what cannot be', () => {
  const lone = { name: 'x', node: 'node1', attachment };
  it.each<[string, () => Snapshot, string, RegExp]>([
    [
      'a network that is not attachable',
      () => create('endpoint', { ...lone, networks: ['lan', 'front'] }),
      'not-attachable /networks/1',
      /"front" takes only endpoints of services/,
    ],
    ['an unknown network', () => create('endpoint', { ...lone, networks: ['lann'] }), 'unknown-reference /networks/0', /no network "lann"/],
    ['a network twice', () => create('endpoint', { ...lone, networks: ['lan', 'lan'] }), 'duplicate-name /networks/1', /"lan" is named twice/],
    [
      'an address in a network that it does not join',
      () => create('endpoint', { ...lone, networks: ['lan'], addresses: [{ network: 'front', address: '10.1.0.99' }] }),
      'unknown-reference /addresses/0/network',
      /"x" does not join the network "front"/,
    ],
    [
      'a service for one that had none',
      () => patch('endpoint', 'debug', { service: 'web', networks: null, addresses: null }),
      'immutable-field /service',
      /cannot be changed/,
    ],
    [
      'no service for one that had one',
      () => patch('endpoint', 'cache.1', { service: null, networks: ['lan'] }),
      'immutable-field ',
      /the service of the endpoint "cache.1"/,
    ],
    [
      'a network that an endpoint joined',
      () => deleteNoun(patch('service', 'metrics', { networks: [], ports: [] }), 'network', 'lan'),
      'in-use ',
      /endpoint "debug"$/,
    ],
    ['an end to attachable while it is used', () => patch('network', 'lan', { attachable: false }), 'immutable-field /attachable', /used by endpoint "debug"/],
    [
      'a subnet less while it is used',
      () => patch('network', 'wide', { extraSubnets: null }),
      'immutable-field ',
      /subnet 10\.3\.1\.0\/24 .* used by endpoint "syslog\.3"/,
    ],
    [
      'another VNI of a subnet while the network is used',
      () => patch('network', 'wide', { extraSubnets: [{ subnet: '10.3.1.0/24', vni: 9 }] }),
      'immutable-field /extraSubnets/0/vni',
      /the VNI of the subnet 10\.3\.1\.0\/24/,
    ],
    [
      'a subnet of another network',
      () => patch('network', 'front', { extraSubnets: [{ subnet: '10.2.0.0/25' }] }),
      'subnet-overlap /extraSubnets/0/subnet',
      /overlaps/,
    ],
    [
      'a VNI of another network',
      () => patch('network', 'front', { extraSubnets: [{ subnet: '10.9.0.0/24', vni: 4098 }] }),
      'vni-taken /extraSubnets/0/vni',
      /4098/,
    ],
    ['direct return with two subnets', () => patch('network', 'wide', { dsr: true }), 'unsupported-combination /extraSubnets', /one subnet/],
    [
      'a host port without a way out',
      () => create('service', { name: 'x', networks: [{ network: 'back' }], ports: [{ target: 80 }, { target: 81, mode: 'host' }] }),
      'unsupported-combination /ports/1/mode',
      /"x" publishes a port in mode "host"/,
    ],
    ['no way out for host ports', () => patch('network', 'lan', { internal: true }), 'unsupported-combination /internal', /the service "metrics" publishes/],
    [
      'aliases on the ingress network',
      () => create('service', { name: 'x', networks: [{ network: 'ingress', aliases: ['y'] }], ports: [{ target: 80 }] }),
      'unsupported-combination /networks/0/aliases',
      /the ingress network/,
    ],
    [
      'a published port of mode host on a node twice',
      () => create('endpoint', { name: 'x', service: 'metrics', node: 'node1', attachment }),
      'port-taken /node',
      /9100/,
    ],
    ['session affinity with dnsrr', () => patch('service', 'cache', { endpointMode: 'dnsrr' }), 'unsupported-combination /persistence', /no session affinity/],
    [
      'a VIP that a node may still hold',
      () =>
        create(
          'service',
          { name: 'x', networks: [{ network: 'direct', vip: '10.5.0.20' }] },
          patch('service', 'cache', { endpointMode: 'dnsrr', persistence: 0 }),
        ),
      'still-held /networks/0/vip',
      /10\.5\.0\.20 .* "cache"/,
    ],
  ])('%s', (_what, run, refusal, message) => {
    const problems = problemsOf(run);
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual([refusal]);
    expect(problems[0]?.message).toMatch(message);
    expect(problems[0]?.fix).toMatch(/\w{4}.*\.$|\?$/);
  });

  it('is possible when every node has let it go', () => {
    const free = releaseRetired(patch('service', 'cache', { endpointMode: 'dnsrr', persistence: 0 }), sample.cluster.revision + 1);
    const after = create('service', { name: 'x', networks: [{ network: 'direct', vip: '10.5.0.20', mark: 0x10007 }] }, free);
    expect(networkOf(after, 'x', 'direct')).toMatchObject({ address: '10.5.0.20', mark: 0x10007 });
    expect(refusalsOf(() => create('service', { name: 'y', networks: [{ network: 'direct', vip: '10.5.0.20' }] }, after))).toEqual([
      'address-taken /networks/0/vip',
    ]);
  });
});
