import { checkSnapshot } from '@portolan/check';
import { createNoun, deleteNoun, findNoun, type NounSpecs, patchNoun, patchSettings, replaceNoun, specOf } from '@portolan/intent';
import { type NounKind, nounKinds, type Snapshot } from '@portolan/model';
import { emptySnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const sample = sampleSnapshot();
const ids = seededIds(5);
const back = 'bjdt_bjdt-dzwl';
const front = 'bjdt_bjdt-dzwl-web';

function found<K extends NounKind>(snapshot: Snapshot, kind: K, name: string) {
  const noun = findNoun(snapshot, kind, name);
  if (noun === undefined) throw new Error(`there is no ${kind} ${name}`);
  return noun;
}

const create = <K extends NounKind>(kind: K, spec: NounSpecs[K], snapshot = sample): Snapshot => createNoun(snapshot, kind, spec, ids);
const patch = (kind: NounKind, name: string, change: unknown, version?: number, snapshot = sample): Snapshot =>
  patchNoun(snapshot, kind, name, change, version);

describe('createNoun', () => {
  it('allocates what is left out and gives the node its address in the network', () => {
    const service = create('service', { name: 'api', networks: [{ network: 'bjdt_overlay' }], ports: [{ target: 80 }] });
    expect(specOf(service, 'service', found(service, 'service', 'api'))).toEqual({
      name: 'api',
      networks: [
        { network: 'bjdt_overlay', vip: '10.0.0.11', mark: 65539 },
        { network: 'ingress', vip: '10.255.0.11', mark: 65540 },
      ],
      ports: [{ published: 30000, target: 80, protocol: 'tcp', mode: 'ingress', externalTrafficPolicy: 'cluster' }],
      endpointMode: 'vip',
      scheduler: 'rr',
      persistence: 0,
    });
    const after = create('endpoint', { name: 'api.1', service: 'api', node: 'node3', attachment: { container: 'api' } }, service);
    expect(found(after, 'endpoint', 'api.1').addresses.map((own) => own.address)).toEqual(['10.0.0.12', '10.255.0.12']);
    expect(checkSnapshot(after)).toEqual([]);
  });

  it.each<[string, () => Snapshot, string]>([
    ['a name that is there', () => create('node', { name: 'node1', address: '192.0.2.9' }), 'duplicate-name /name'],
    ['an id that is there', () => create('network', { name: 'x', id: '5mckih8b5zq55feis4xheef5z' }), 'duplicate-id /id'],
    ['an address that is there', () => create('node', { name: 'node4', address: '172.16.130.140' }), 'address-taken /address'],
    ['an unknown node', () => create('endpoint', { name: 'x', service: back, node: 'nobody', attachment: { pid: 9 } }), 'unknown-reference /node'],
    ['a subnet that is there', () => create('network', { name: 'x', subnet: '10.0.0.0/25' }), 'subnet-overlap /subnet'],
    ['a VIP that is there', () => create('service', { name: 'x', networks: [{ network: 'bjdt_overlay', vip: '10.0.0.20' }] }), 'address-taken /networks/0/vip'],
    ['a second ingress network', () => create('network', { name: 'x', ingress: true }), 'ingress-exists /ingress'],
    ['a port without ingress network', () => create('service', { name: 'x', ports: [{ target: 1 }] }, emptySnapshot()), 'ingress-missing /ports'],
    ['a subnet over the gateway subnet', () => create('network', { name: 'x', subnet: '192.168.240.0/24' }), 'subnet-overlap /subnet'],
  ])('refuses %s', (_what, run, refusal) => {
    expect(refusalsOf(run)).toEqual([refusal]);
  });
});

describe('replaceNoun and patchNoun', () => {
  it.each(nounKinds)('change nothing when a %s is sent back as it is', (kind) => {
    for (const noun of sample[({ node: 'nodes', network: 'networks', service: 'services', endpoint: 'endpoints' } as const)[kind]].values()) {
      const spec = specOf(sample, kind, noun as never);
      expect(replaceNoun(sample, kind, noun.name, spec, noun.version)).toBe(sample);
      expect(patch(kind, noun.name, {})).toBe(sample);
      expect(patch(kind, noun.name, spec)).toBe(sample);
    }
  });

  it('keep what was allocated where a value is left out', () => {
    const after = replaceNoun(sample, 'service', front, { name: front, scheduler: 'lc', networks: [{ network: 'bjdt_overlay' }], ports: [{ target: 80 }] });
    expect(found(after, 'service', front)).toEqual({ ...found(sample, 'service', front), scheduler: 'lc', version: 2 });
  });

  it('take a network away with its addresses, and give them anew', () => {
    const gone = patch('service', front, { networks: [], ports: null });
    expect(found(gone, 'service', front)).toMatchObject({ networks: [], ports: [] });
    expect(found(gone, 'endpoint', `${front}.1`).addresses).toEqual([]);
    const again = patch('service', front, { networks: [{ network: 'bjdt_overlay' }] }, undefined, gone);
    expect(found(again, 'endpoint', `${front}.1`).addresses).toHaveLength(1);
    expect(checkSnapshot(again)).toEqual([]);
  });

  it('bump the version of the object alone', () => {
    const after = patch('node', 'node2', { availability: 'drain', labels: { rack: 'b' } });
    expect([...after.nodes.values()].map((n) => [n.name, n.version])).toEqual([
      ['node1', 1],
      ['node2', 2],
      ['node3', 1],
    ]);
    expect(after.endpoints).toBe(sample.endpoints);
    expect(found(patch('node', 'node2', { labels: { rack: null } }, 2, after), 'node', 'node2').labels).toEqual({});
  });

  it.each<[string, () => Snapshot, string]>([
    ['an unknown object', () => patch('node', 'nobody', {}), 'not-found '],
    ['an old version', () => patch('node', 'node1', { role: 'worker' }, 7), 'precondition-failed '],
    ['another name', () => patch('node', 'node1', { name: 'node9' }), 'immutable-field /name'],
    ['another node', () => patch('endpoint', `${back}.1`, { node: 'node2' }), 'immutable-field /node'],
    ['another service', () => patch('endpoint', `${back}.1`, { service: front }), 'immutable-field /service'],
    ['another id', () => patch('network', 'ingress', { id: 'a'.repeat(25) }), 'immutable-field /id'],
    ['another VNI while in use', () => patch('network', 'ingress', { vni: 77 }), 'immutable-field /vni'],
    ['a subnet elsewhere', () => patch('network', 'bjdt_overlay', { subnet: '10.8.0.0/24', gateway: null }), 'immutable-field /subnet'],
    ['a gateway on a VIP', () => patch('network', 'bjdt_overlay', { gateway: '10.0.0.20' }), 'address-taken /gateway'],
    ['a patch that is no object', () => patch('node', 'node1', ['x']), 'invalid-document '],
    ['an unknown field', () => patch('node', 'node1', { adress: '192.0.2.1' }), 'unknown-field /adress'],
    ['a value of the wrong type', () => patch('service', back, { ports: [{ target: 'http' }] }), 'invalid-document /ports/0/target'],
    ['no ingress flag while in use', () => patch('network', 'ingress', { ingress: false }), 'immutable-field /ingress'],
  ])('refuse %s', (_what, run, refusal) => {
    expect(refusalsOf(run)).toEqual([refusal]);
  });
});

describe('deleteNoun', () => {
  it.each<[NounKind, string, RegExp]>([
    ['network', 'bjdt_overlay', /used by service "bjdt_bjdt-dzwl", service "bjdt_bjdt-dzwl-web"/],
    ['network', 'ingress', /used by service/],
    ['service', back, /used by endpoint "bjdt_bjdt-dzwl\.1", endpoint "bjdt_bjdt-dzwl\.2", endpoint "bjdt_bjdt-dzwl\.3"/],
    ['node', 'node3', /used by endpoint "bjdt_bjdt-dzwl\.3"/],
  ])('refuses a %s in use', (kind, name, message) => {
    const [problem, ...others] = problemsOf(() => deleteNoun(sample, kind, name));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: 'in-use', path: '' });
    expect(problem?.message).toMatch(message);
  });

  it('takes the address of the node back with its last endpoint', () => {
    const after = deleteNoun(sample, 'endpoint', `${back}.3`, 1);
    expect(found(after, 'node', 'node3').loadBalancers).toHaveLength(1);
    expect(findNoun(deleteNoun(after, 'node', 'node3'), 'node', 'node3')).toBeUndefined();
    expect(findNoun(sample, 'node', 'node3')?.name).toBe('node3');
  });

  it('names only the first of many users', () => {
    const many = Array.from({ length: 8 }, (_, i) => i).reduce(
      (s, i) => create('endpoint', { name: `x${i}`, service: back, node: 'node3', attachment: { pid: 9 } }, s),
      sample,
    );
    expect(problemsOf(() => deleteNoun(many, 'node', 'node3'))[0]?.message).toMatch(/"x3" and 4 more$/);
  });

  it('refuses an old version', () => {
    expect(refusalsOf(() => deleteNoun(sample, 'endpoint', `${back}.1`, 2))).toEqual(['precondition-failed ']);
  });
});

describe('patchSettings', () => {
  it('changes what it names', () => {
    const after = patchSettings(sample, { underlayMtu: 9000 });
    expect(after.cluster).toEqual({ ...sample.cluster, settings: { ...sample.cluster.settings, underlayMtu: 9000 } });
    expect(patchSettings(after, { underlayMtu: 9000 })).toBe(after);
  });

  it.each<[string, unknown, string]>([
    ['an unknown setting', { mtu: 5 }, 'unknown-field /mtu'],
    ['a setting without value', { underlayMtu: null }, 'invalid-document '],
    ['a range backwards', { vniRange: [9, 8] }, 'invalid-document /vniRange'],
    ['a gateway subnet with host bits', { gatewaySubnet: '192.168.240.1/20' }, 'host-bits-set /gatewaySubnet'],
    ['a gateway subnet over a host', { gatewaySubnet: '172.16.0.0/16' }, 'subnet-overlap /gatewaySubnet'],
  ])('refuses %s', (_what, change, refusal) => {
    expect(refusalsOf(() => patchSettings(sample, change))[0]).toBe(refusal);
  });
});
