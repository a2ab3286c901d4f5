import { computeNodeState } from '@portolan/compute';
import type { Snapshot } from '@portolan/model';
import { dataPlaneSnapshot, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { desiredWorld, flowChanges, reachOf, type World } from '../src/index.js';

const bjdt = sampleSnapshot();

function worldOf(snapshot: Snapshot): World {
  return desiredWorld(snapshot, ({ id }) => computeNodeState(snapshot, id));
}

/** The snapshot with the container of an endpoint gone. */
function absent(snapshot: Snapshot, name: string): Snapshot {
  return {
    ...snapshot,
    endpoints: new Map([...snapshot.endpoints].map(([id, own]) => [id, own.name === name ? { ...own, presence: 'absent' as const } : own])),
  };
}

describe('reach', () => {
  it('is every endpoint to every service, and every published port of every node; all of the example is delivered', () => {
    const flows = [...reachOf(worldOf(bjdt))];
    // Five endpoints × two services, two ports × three nodes.
    expect(flows).toHaveLength(5 * 2 + 2 * 3);
    expect(new Set(flows.map(({ outcome }) => outcome))).toEqual(new Set(['delivered']));
    expect(flows.find(({ from, to }) => from === 'outside' && to === 'bjdt_bjdt-dzwl:8080/tcp')).toMatchObject({ delivered: 3, paths: 3 });
  });

  it('goes from pod to pod on each node', () => {
    const pods = [...reachOf(worldOf(dataPlaneSnapshot()), { to: 'endpoint:pod' })];
    expect(pods.length).toBeGreaterThan(2);
    expect(new Set(pods.map(({ outcome }) => outcome))).toEqual(new Set(['delivered']));
  });

  it('can be asked for a part', () => {
    expect([...reachOf(worldOf(bjdt), { from: 'outside', to: 'bjdt_bjdt-dzwl-web' })].map(({ node }) => node)).toEqual(['node1', 'node2', 'node3']);
  });
});

describe('what a change does to flows', () => {
  it('is nothing where nothing changes', () => {
    expect(flowChanges(worldOf(bjdt), worldOf(bjdt))).toEqual([]);
  });

  it('is a backend less for everybody when one goes, and a flow less for the one that goes', () => {
    const changes = flowChanges(worldOf(bjdt), worldOf(absent(bjdt, 'bjdt_bjdt-dzwl.3')));
    const less = changes.filter(({ to, lost }) => to.startsWith('bjdt_bjdt-dzwl:') && lost.includes('bjdt_bjdt-dzwl.3'));
    expect(less.map(({ before, after }) => [before, after])).toContainEqual(['delivered', 'delivered']);
    expect(less.some(({ text }) => text === 'loses bjdt_bjdt-dzwl.3')).toBe(true);
    expect(changes.every(({ from, lost }) => from === 'endpoint:bjdt_bjdt-dzwl.3' || lost.length === 1)).toBe(true);
  });

  it('is the end of flows whose service goes', () => {
    const services = new Map([...bjdt.services].filter(([, { name }]) => name !== 'bjdt_bjdt-dzwl-web'));
    const endpoints = new Map([...bjdt.endpoints].filter(([, { name }]) => !name.startsWith('bjdt_bjdt-dzwl-web')));
    const changes = flowChanges(worldOf(bjdt), worldOf({ ...bjdt, services, endpoints }));
    expect(changes.filter(({ from }) => from === 'outside').map(({ after }) => after)).toEqual([null, null, null]);
  });
});
