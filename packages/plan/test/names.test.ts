import { type DnsNameBody, kernelObject, nodeState, nothingToWatch, observedObject, observedState } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffNodeState, narrowedName, type Plan } from '../src/index.js';

const origin = { computedBy: 'dns' } as const;
const name = (addresses: readonly string[], own?: readonly string[]): DnsNameBody => ({
  kind: 'dns-name',
  network: 'app',
  name: 'web',
  addresses,
  ...(own === undefined ? {} : { own: { service: 'web', addresses: own } }),
});

/** A name changes while a route comes and another goes. */
function planOf(before: DnsNameBody, after: DnsNameBody): Plan {
  const route = (destination: string) => ({ kind: 'route', destination, link: 'eth0', via: '10.0.0.1' }) as const;
  const objects = [kernelObject('host', route('10.1.0.0/24'), origin), kernelObject('host', after, origin)];
  const observed = observedState([observedObject('host', route('10.2.0.0/24')), observedObject('host', before)], {}, []);
  return diffNodeState(observed, nodeState({ cluster: 'lab', node: 'node1', address: '192.0.2.1', endpoints: {}, watch: nothingToWatch, objects }));
}

function narrowed(before: DnsNameBody, after: DnsNameBody): DnsNameBody | undefined {
  return planOf(before, after)
    .steps.map(narrowedName)
    .find((body) => body !== undefined);
}

const order = (plan: Plan) => plan.steps.map((step) => (step.action === 'delete' ? step.observed.kind : step.object.body.kind));

describe('a name that changes', () => {
  it('loses addresses before anything else changes', () => {
    expect(order(planOf(name(['10.0.0.1', '10.0.0.2']), name(['10.0.0.2'])))).toEqual(['dns-name', 'route', 'route']);
    expect(order(planOf(name(['10.0.0.1']), name([])))).toEqual(['dns-name', 'route', 'route']);
  });

  it('gains addresses when the way to them is made, before the way to others goes', () => {
    const plan = planOf(name(['10.0.0.1']), name(['10.0.0.1', '10.0.0.2']));
    expect(plan.steps.map(({ action }) => action)).toEqual(['create', 'replace', 'delete']);
    expect(plan.steps.map(narrowedName)).toEqual([undefined, undefined, undefined]);
  });

  it('that loses and gains loses first; that keeps nothing goes over at once', () => {
    const both = planOf(name(['10.0.0.1', '10.0.0.2']), name(['10.0.0.2', '10.0.0.3']));
    expect(order(both)).toEqual(['route', 'dns-name', 'route']);
    expect(narrowed(name(['10.0.0.1', '10.0.0.2']), name(['10.0.0.2', '10.0.0.3']))).toEqual(name(['10.0.0.2']));
    expect(narrowed(name(['10.0.0.1']), name(['10.0.0.2']))).toBeUndefined();
  });

  it('loses what only members were told, too; where they are told no more than others, that counts', () => {
    expect(narrowed(name(['10.0.0.1'], ['10.0.0.1', '10.0.0.2']), name(['10.0.0.1'], ['10.0.0.1', '10.0.0.3']))).toEqual(name(['10.0.0.1'], ['10.0.0.1']));
    expect(narrowed(name(['10.0.0.1'], ['10.0.0.1', '10.0.0.2']), name(['10.0.0.1', '10.0.0.2']))).toBeUndefined();
    expect(narrowed(name(['10.0.0.1'], ['10.0.0.1', '10.0.0.2']), name(['10.0.0.1']))).toEqual(name(['10.0.0.1'], ['10.0.0.1']));
  });

  it('never answers with nothing while it has something to lead to, and with nothing lost while it keeps something', () => {
    const list = fc.subarray(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
    fc.assert(
      fc.property(list, list, (before, after) => {
        const meanwhile = narrowed(name(before), name(after))?.addresses ?? before;
        expect(before).toEqual(expect.arrayContaining([...meanwhile]));
        const kept = before.filter((address) => after.includes(address));
        if (kept.length > 0 || after.length === 0) expect(meanwhile).toEqual(kept);
        else expect(meanwhile).toEqual(before);
      }),
    );
  });
});
