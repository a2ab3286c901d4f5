import { checkSnapshot } from '@portolan/check';
import {
  applyManifest,
  cancelDrain,
  createNoun,
  drainEndpoint,
  findNoun,
  finishDrains,
  manifestOf,
  observeNode,
  patchNoun,
  patchSettings,
  removeEndpoint,
  replaceNoun,
  setConditions,
  specOf,
} from '@portolan/intent';
import type { Endpoint, Manifest, Snapshot } from '@portolan/model';
import { dataPlaneSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { refusalsOf } from './refusal.js';

const sample = dataPlaneSnapshot();
const NOW = 1_790_000_000_000;
const ids = seededIds(77);

function endpointOf(snapshot: Snapshot, name: string): Endpoint {
  const endpoint = findNoun(snapshot, 'endpoint', name);
  if (endpoint === undefined) throw new Error(`there is no endpoint ${name}`);
  return endpoint;
}
const nodeId = (name: string): string => findNoun(sample, 'node', name)?.id ?? '';
const apply = (manifest: Manifest, snapshot = sample, force = false): Snapshot => applyManifest(snapshot, manifest, ids, { now: NOW, force });
const without = (...names: readonly string[]): Manifest => ({ endpoints: manifestOf(sample).endpoints.filter(({ name }) => !names.includes(name)) });

describe('observeNode', () => {
  const [first, third, db] = [endpointOf(sample, 'web.1'), endpointOf(sample, 'web.3'), endpointOf(sample, 'db.1')];

  it('notes what the agent of the node saw, in one version', () => {
    const after = observeNode(sample, first.nodeId, { presence: { [first.id]: 'present' }, health: { [first.id]: 'unhealthy' }, underlayMtu: 1400 });
    expect(endpointOf(after, 'web.1')).toEqual({ ...first, health: 'unhealthy', version: 2 });
    expect(findNoun(after, 'node', 'node1')).toMatchObject({ underlayMtu: 1400, version: 2 });
    expect(after.cluster.revision).toBe(3);
  });

  it('gives the same snapshot when nothing is new, and for what is not its own', () => {
    const presence = { [first.id]: 'present', [third.id]: 'absent', nobody: 'absent' } as const;
    expect(observeNode(sample, first.nodeId, { presence, health: { [first.id]: 'healthy', [third.id]: 'healthy' }, underlayMtu: 1500 })).toBe(sample);
    expect(observeNode(sample, 'nobody', { presence, health: {}, underlayMtu: 900 })).toBe(sample);
  });

  it('ignores the health of what has no check', () => {
    expect(observeNode(sample, db.nodeId, { presence: {}, health: { [db.id]: 'unhealthy' } })).toBe(sample);
  });

  it('forgets the health of what is gone', () => {
    const gone = observeNode(sample, first.nodeId, { presence: { [first.id]: 'absent' }, health: { [first.id]: 'healthy' } });
    expect(endpointOf(gone, 'web.1')).toMatchObject({ presence: 'absent', health: 'unknown' });
    const back = observeNode(gone, first.nodeId, { presence: { [first.id]: 'present' }, health: { [first.id]: 'healthy' } });
    expect(endpointOf(back, 'web.1')).toMatchObject({ presence: 'present', health: 'healthy', version: 3 });
  });
});

describe('setConditions', () => {
  it('notes what is new', () => {
    const after = setConditions(
      sample,
      new Map([
        [nodeId('node1'), 'up'],
        [nodeId('node3'), 'unreachable'],
        ['nobody', 'silent'],
      ]),
    );
    expect([...after.nodes.values()].map((node) => [node.name, node.condition, node.version])).toEqual([
      ['node1', 'up', 1],
      ['node2', 'up', 1],
      ['node3', 'unreachable', 2],
    ]);
    expect(setConditions(after, new Map([[nodeId('node3'), 'unreachable']]))).toBe(after);
  });

  it('is forgotten with the address of the host', () => {
    const after = patchNoun(sample, 'node', 'node3', { address: '172.16.130.171' });
    expect(findNoun(after, 'node', 'node3')).toMatchObject({ condition: 'unknown', underlayMtu: null });
    expect(findNoun(patchNoun(sample, 'node', 'node3', { role: 'manager' }), 'node', 'node3')).toMatchObject({ condition: 'silent', underlayMtu: 1500 });
  });
});

describe('drainEndpoint', () => {
  it.each([
    ['the seconds that are given', 'web.1', 5, 5],
    ['those of the service', 'web.1', undefined, 10],
    ['those of the cluster', 'db.1', undefined, 30],
    ['those of the cluster, without a service', 'debug', undefined, 30],
  ])('waits %s', (_what, name, seconds, expected) => {
    const after = drainEndpoint(sample, name, { now: NOW, seconds, removes: false, version: 1 });
    expect(endpointOf(after, name)).toEqual({
      ...endpointOf(sample, name),
      drain: { revision: 4, deadline: NOW + 1000 * expected, removes: false, drained: false },
      version: 2,
    });
  });

  it('goes on with a drain that there is', () => {
    expect(drainEndpoint(sample, 'web.2', { now: NOW, removes: false })).toBe(sample);
    expect(endpointOf(drainEndpoint(sample, 'web.2', { now: NOW, seconds: 0, removes: false }), 'web.2').drain).toEqual({
      revision: 3,
      deadline: NOW,
      removes: true,
      drained: false,
    });
    const stays = drainEndpoint(sample, 'web.1', { now: NOW, removes: false });
    expect(endpointOf(drainEndpoint(stays, 'web.1', { now: NOW + 5000, removes: true }), 'web.1').drain).toMatchObject({
      deadline: NOW + 10_000,
      removes: true,
    });
    const drained = finishDrains(stays, [endpointOf(stays, 'web.1').id]);
    expect(drainEndpoint(drained, 'web.1', { now: NOW, removes: false })).toBe(drained);
    expect(findNoun(drainEndpoint(drained, 'web.1', { now: NOW, removes: true }), 'endpoint', 'web.1')).toBeUndefined();
  });

  it('is refused for what is not there or not this version', () => {
    expect(refusalsOf(() => drainEndpoint(sample, 'nobody', { now: NOW, removes: true }))).toEqual(['not-found ']);
    expect(refusalsOf(() => drainEndpoint(sample, 'web.1', { now: NOW, removes: true, version: 9 }))).toEqual(['precondition-failed ']);
    expect(refusalsOf(() => cancelDrain(sample, 'nobody'))).toEqual(['not-found ']);
    expect(refusalsOf(() => removeEndpoint(sample, 'web.1', { now: NOW, force: true, version: 9 }))).toEqual(['precondition-failed ']);
  });
});

describe('the end of a drain', () => {
  it('can be that it stays', () => {
    const after = cancelDrain(sample, 'web.2');
    expect(endpointOf(after, 'web.2')).toMatchObject({ drain: null, version: 2 });
    expect(cancelDrain(after, 'web.2')).toBe(after);
  });

  it('takes away what was to be removed, marks the others, and ignores the rest', () => {
    const both = drainEndpoint(sample, 'web.1', { now: NOW, removes: false });
    const wanted = ['web.1', 'web.2', 'web.4'].map((name) => endpointOf(both, name).id);
    const after = finishDrains(both, [...wanted, 'nobody']);
    expect(findNoun(after, 'endpoint', 'web.2')).toBeUndefined();
    expect(endpointOf(after, 'web.1').drain?.drained).toBe(true);
    expect(endpointOf(after, 'web.4')).toBe(endpointOf(sample, 'web.4'));
    expect(after.retired.map(({ value, holder }) => `${holder.name} ${value}`)).toContain('web.2 10.1.0.6');
    expect(finishDrains(after, wanted)).toBe(after);
    expect(checkSnapshot(after)).toEqual([]);
  });
});

describe('removeEndpoint', () => {
  it.each(['web.3', 'db.3', 'syslog.2'])('takes %s away at once, since nothing is sent to it', (name) => {
    expect(findNoun(removeEndpoint(sample, name, { now: NOW, force: false }), 'endpoint', name)).toBeUndefined();
  });

  it.each(['web.1', 'db.1', 'debug'])('lets %s drain', (name) => {
    const after = removeEndpoint(sample, name, { now: NOW, force: false });
    expect(endpointOf(after, name).drain).toMatchObject({ revision: 4, removes: true, drained: false });
    expect(removeEndpoint(after, name, { now: NOW + 999, force: false })).toBe(after);
    expect(findNoun(removeEndpoint(after, name, { now: NOW, force: true }), 'endpoint', name)).toBeUndefined();
  });

  it('takes away what is drained, and what is on an unreachable host', () => {
    const drained = finishDrains(drainEndpoint(sample, 'web.1', { now: NOW, removes: false }), [endpointOf(sample, 'web.1').id]);
    expect(findNoun(removeEndpoint(drained, 'web.1', { now: NOW, force: false }), 'endpoint', 'web.1')).toBeUndefined();
    const lost = setConditions(sample, new Map([[nodeId('node3'), 'unreachable']]));
    expect(findNoun(removeEndpoint(lost, 'metrics.3', { now: NOW, force: false }), 'endpoint', 'metrics.3')).toBeUndefined();
  });
});

describe('a manifest that no longer names an endpoint', () => {
  it('lets those drain that are sent traffic, and is stable', () => {
    const after = apply(without('web.1', 'web.3', 'debug'));
    expect(endpointOf(after, 'web.1').drain).toEqual({ revision: 4, deadline: NOW + 10_000, removes: true, drained: false });
    expect(endpointOf(after, 'debug').drain).toMatchObject({ deadline: NOW + 30_000, removes: true });
    expect(findNoun(after, 'endpoint', 'web.3')).toBeUndefined();
    expect(applyManifest(after, without('web.1', 'web.3', 'debug'), ids, { now: NOW + 1234 })).toBe(after);
    expect(apply(manifestOf(after), after)).toBe(after);
    expect(manifestOf(after).endpoints.map(({ name }) => name)).not.toContain('web.1');
  });

  it('deletes at once by force', () => {
    const after = apply(without('web.1', 'debug'), sample, true);
    expect(['web.1', 'web.2', 'debug'].map((name) => findNoun(after, 'endpoint', name))).toEqual([undefined, undefined, undefined]);
    expect(checkSnapshot(after)).toEqual([]);
  });

  it('uses the seconds that the same document says', () => {
    const services = manifestOf(sample).services.map((service) => ({ ...service, ...(service.name === 'web' ? { drainSeconds: 77 } : {}) }));
    expect(endpointOf(apply({ services, ...without('web.1') }), 'web.1').drain?.deadline).toBe(NOW + 77_000);
    expect(endpointOf(apply({ settings: { drainSeconds: 3 }, ...without('db.1') }), 'db.1').drain?.deadline).toBe(NOW + 3000);
  });

  it.each<[string, (m: Required<Manifest>) => Manifest, string]>([
    [
      'the service',
      (m) => ({ services: m.services.filter(({ name }) => name !== 'cache'), endpoints: m.endpoints.filter((own) => own.service !== 'cache') }),
      'cache.1',
    ],
    ['the node', (m) => ({ nodes: m.nodes.filter(({ name }) => name !== 'node3'), endpoints: m.endpoints.filter((own) => own.node !== 'node3') }), 'metrics.3'],
    [
      'the attachable network',
      (m) => ({
        networks: m.networks.map((own) => (own.name === 'lan' ? { ...own, attachable: false } : own)),
        endpoints: m.endpoints.filter(({ name }) => name !== 'debug'),
      }),
      'debug',
    ],
  ])('deletes at once when %s goes with it', (_what, change, name) => {
    const after = apply(change(manifestOf(sample)));
    expect(findNoun(after, 'endpoint', name)).toBeUndefined();
    expect(checkSnapshot(after)).toEqual([]);
  });

  it('keeps its service in use until it is gone, and says so', () => {
    const after = apply(without('cache.1', 'cache.2'));
    const services = manifestOf(sample).services.filter(({ name }) => name !== 'cache');
    expect(() => apply({ services }, after)).toThrow('the service "cache" is used by endpoint "cache.1" (leaving), endpoint "cache.2" (leaving)');
    const gone = finishDrains(after, [endpointOf(after, 'cache.1').id, endpointOf(after, 'cache.2').id]);
    expect(apply({ services }, gone).services.size).toBe(4);
  });
});

describe('a spec that names a leaving endpoint', () => {
  const spec = specOf(sample, 'endpoint', endpointOf(sample, 'web.2'));

  it('keeps it, in a manifest and by itself', () => {
    const named = apply({ endpoints: [...manifestOf(sample).endpoints, spec] });
    expect(endpointOf(named, 'web.2')).toMatchObject({ drain: null, version: 2 });
    expect(endpointOf(replaceNoun(sample, 'endpoint', 'web.2', spec), 'web.2').drain).toBeNull();
  });

  it('lets it go on when it is a patch or does not leave for good', () => {
    expect(patchNoun(sample, 'endpoint', 'web.2', {})).toBe(sample);
    expect(endpointOf(patchNoun(sample, 'endpoint', 'web.2', { weight: 7 }), 'web.2')).toMatchObject({ weight: 7, drain: { removes: true } });
    const stays = drainEndpoint(sample, 'web.1', { now: NOW, removes: false });
    expect(replaceNoun(stays, 'endpoint', 'web.1', specOf(stays, 'endpoint', endpointOf(stays, 'web.1')))).toBe(stays);
    expect(apply(manifestOf(stays), stays)).toBe(stays);
  });

  it('cannot make it anew before it is gone', () => {
    expect(() => createNoun(sample, 'endpoint', spec, ids)).toThrow(expect.objectContaining({ code: 'duplicate-name' }));
    expect(refusalsOf(() => replaceNoun(sample, 'endpoint', 'web.2', { ...spec, node: 'node1' }))).toEqual(['immutable-field /node']);
  });
});

describe('what was seen', () => {
  it('is forgotten with the attachment', () => {
    const moved = patchNoun(sample, 'endpoint', 'web.2', { attachment: { netns: null, pid: 9 } });
    expect(endpointOf(moved, 'web.2')).toMatchObject({ presence: 'unknown', health: 'unknown', drain: null, attachment: { pid: 9 } });
  });

  it('is health no more when the check changes', () => {
    const after = patchNoun(sample, 'service', 'web', { healthCheck: { failures: 5 } });
    expect(['web.1', 'web.2', 'web.3', 'web.4'].map((name) => endpointOf(after, name).health)).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
    expect(endpointOf(after, 'web.2').drain).toEqual(endpointOf(sample, 'web.2').drain);
    expect(endpointOf(after, 'web.1').version).toBe(2);
    const inManifest = apply({
      services: manifestOf(sample).services.map((own) => (own.name === 'web' ? { ...own, healthCheck: { kind: 'tcp', port: 80 } } : own)),
      ...without('web.4'),
    });
    expect(endpointOf(inManifest, 'web.1').health).toBe('unknown');
    expect(endpointOf(inManifest, 'web.4')).toMatchObject({ health: 'unknown', drain: { removes: true } });
    expect(patchNoun(sample, 'service', 'web', { scheduler: 'rr' }).endpoints).toBe(sample.endpoints);
  });

  it('stays when settings change', () => {
    expect(patchSettings(sample, { dnsTtl: 1 }).endpoints).toBe(sample.endpoints);
  });
});
