import { applyManifest, manifestOf, observeNode, patchNoun, patchSettings, removeEndpoint, setConditions, snapshotDifference } from '@portolan/intent';
import type { Snapshot } from '@portolan/model';
import { dataPlaneSnapshot, emptySnapshot, manifestArbitrary, sampleSnapshot, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const sample = sampleSnapshot();
const plane = dataPlaneSnapshot();

const lines = (before: Snapshot, after: Snapshot): readonly string[] =>
  snapshotDifference(before, after).flatMap(({ action, kind, name, fields }) =>
    fields.map(({ path, before: was, after: is }) => `${action} ${kind} ${name} ${path}: ${JSON.stringify(was)} -> ${JSON.stringify(is)}`),
  );

describe('the difference of two snapshots', () => {
  it('names each field that people would write otherwise', () => {
    const own = [...plane.services.values()].find(({ name }) => name === 'web');
    expect(lines(plane, patchNoun(plane, 'service', 'web', { scheduler: 'lc', labels: { 'a/b': 'c' } }))).toEqual([
      `change service web /scheduler: ${JSON.stringify(own?.scheduler)} -> "lc"`,
      ...(Object.keys(own?.labels ?? {}).length === 0 ? ['change service web /labels: null -> {"a/b":"c"}'] : []),
    ]);
    const labelled = patchNoun(plane, 'service', 'web', { labels: { 'a/b': 'c' } });
    expect(lines(labelled, patchNoun(labelled, 'service', 'web', { labels: { 'a/b': 'd' } }))).toEqual(['change service web /labels/a~1b: "c" -> "d"']);
    expect(lines(sample, patchSettings(sample, { driftPolicy: 'report', ipvsTimeouts: { udp: 60 } }))).toEqual([
      'change cluster lab /ipvsTimeouts/udp: 300 -> 60',
      'change cluster lab /driftPolicy: "repair" -> "report"',
    ]);
  });

  it('tells members of lists apart by what they are, not by where they are', () => {
    const ports = [
      { published: 7000, target: 70 },
      { published: 8000, target: 81 },
    ];
    const after = patchNoun(sample, 'service', 'bjdt_bjdt-dzwl-web', { ports });
    expect(lines(sample, after)).toEqual([
      'change service bjdt_bjdt-dzwl-web /ports/0: null -> {"published":7000,"target":70,"protocol":"tcp","mode":"ingress","externalTrafficPolicy":"cluster"}',
      'change service bjdt_bjdt-dzwl-web /ports/1/target: 80 -> 81',
    ]);
    expect(lines(after, sample)).toContain(
      'change service bjdt_bjdt-dzwl-web /ports/0: {"published":7000,"target":70,"protocol":"tcp","mode":"ingress","externalTrafficPolicy":"cluster"} -> null',
    );
  });

  it('shows a list whole in which those that stay change places', () => {
    const subnets = [
      { subnet: '10.9.1.0/24', gateway: '10.9.1.1', vni: 5001 },
      { subnet: '10.9.2.0/24', gateway: '10.9.2.1', vni: 5002 },
    ];
    const at = (extraSubnets: typeof subnets): Snapshot => patchNoun(sample, 'network', 'bjdt_overlay', { extraSubnets });
    const turned = [...subnets].reverse();
    expect(lines(at(subnets), at(turned))).toEqual([`change network bjdt_overlay /extraSubnets: ${JSON.stringify(subnets)} -> ${JSON.stringify(turned)}`]);
    expect(lines(at(subnets), at(subnets.slice(1)))).toEqual([`change network bjdt_overlay /extraSubnets/0: ${JSON.stringify(subnets[0])} -> null`]);
  });

  it('shows every field of what comes and goes', () => {
    const added = applyManifest(sample, { nodes: [...manifestOf(sample).nodes, { name: 'node4', address: '172.16.130.9' }] }, seededIds(5), { now: 0 });
    const fields = ['/role: null -> "worker"', '/availability: null -> "active"', '/address: null -> "172.16.130.9"'];
    expect(lines(sample, added)).toEqual(fields.map((field) => `create node node4 ${field}`));
    expect(lines(added, sample)).toEqual(
      ['/role: "worker" -> null', '/availability: "active" -> null', '/address: "172.16.130.9" -> null'].map((f) => `delete node node4 ${f}`),
    );
  });

  it('leaves out what was observed, and has an endpoint that leaves as gone', () => {
    const [node] = sample.nodes.values();
    const [endpoint] = sample.endpoints.values();
    if (node === undefined || endpoint === undefined) throw new Error('the sample is another');
    const seen = observeNode(setConditions(sample, new Map([[node.id, 'silent']])), node.id, { presence: {}, health: {}, underlayMtu: 1400 });
    expect(seen).not.toBe(sample);
    expect(snapshotDifference(sample, seen)).toEqual([]);
    const leaving = removeEndpoint(sample, endpoint.name, { now: 0, force: false });
    expect(leaving.endpoints.size).toBe(sample.endpoints.size);
    expect(snapshotDifference(sample, leaving).map(({ action, kind, name }) => `${action} ${kind} ${name}`)).toEqual([`delete endpoint ${endpoint.name}`]);
  });

  it('is empty exactly when the manifests are the same, and the other way round when they are swapped', () => {
    fc.assert(
      fc.property(manifestArbitrary(), manifestArbitrary(), (one, other) => {
        const before = applyManifest(emptySnapshot(), one, seededIds(1), { now: 0 });
        const after = applyManifest(before, other, seededIds(2), { now: 0, force: true });
        const found = snapshotDifference(before, after);
        const [was, is] = [manifestOf(before), manifestOf(after)];
        for (const kind of ['nodes', 'networks', 'services', 'endpoints'] as const) {
          const same = JSON.stringify(was[kind]) === JSON.stringify(is[kind]);
          if (same) expect(found.filter((own) => `${own.kind}s` === kind)).toEqual([]);
        }
        expect(found.length === 0).toBe(JSON.stringify(was) === JSON.stringify(is));
        const turned = { create: 'delete', delete: 'create', change: 'change' } as const;
        const names = (all: typeof found) => all.map(({ kind, name, fields }) => `${kind} ${kind === 'flannel' ? '' : name} ${fields.length}`);
        const back = snapshotDifference(after, before);
        expect(names(back)).toEqual(names(found));
        expect(back.map(({ action }) => action)).toEqual(found.map(({ action }) => turned[action]));
      }),
      { numRuns: 40 },
    );
  });
});
