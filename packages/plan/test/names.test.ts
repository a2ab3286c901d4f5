import { type DnsNameBody, kernelObject, nodeState, nothingToWatch, type ObjectBody, observedObject, observedState, type Space } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffNodeState, heldBack, keyOfStep, narrowedName, type Plan, waysOfNames } from '../src/index.js';

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

describe('what a name leads to before it leads elsewhere altogether', () => {
  const vip = (network: string, address: string, mark: number): readonly (readonly [Space, ObjectBody])[] => [
    [`own:lb_${network}`, { kind: 'virtual-server', mark, scheduler: 'rr' }],
    [`own:lb_${network}`, { kind: 'mark', match: { stage: 'input', destination: address }, mark }],
  ];
  /** A kernel tells no bodies of rules. */
  const planBetween = (before: readonly (readonly [Space, ObjectBody])[], after: readonly (readonly [Space, ObjectBody])[]) => {
    const found = before.map(([space, body]) => {
      const { body: _body, ...rest } = observedObject(space, body);
      return body.kind === 'mark' ? rest : { ...rest, body };
    });
    const objects = after.map(([space, body]) => kernelObject(space, body, origin));
    const observed = observedState(found, {}, []);
    const desired = nodeState({ cluster: 'lab', node: 'node1', address: '192.0.2.1', endpoints: {}, watch: nothingToWatch, objects });
    return { plan: diffNodeState(observed, desired), observed };
  };
  const [old, moved, other] = [vip('app', '10.0.0.2', 1), vip('app', '10.0.0.3', 2), vip('back', '10.0.9.9', 3)];
  const oldWay = ['mark/own:lb_app/input/10.0.0.2', 'virtual-server/own:lb_app/1'];

  it('goes when the names are made, rules first; what no name leaves, before', () => {
    const { plan } = planBetween([...old, ...other, ['host', name(['10.0.0.2'])]], [...moved, ['host', name(['10.0.0.3'])]]);
    expect(plan.steps.map((step) => `${step.action} ${keyOfStep(step)}`)).toEqual([
      'create virtual-server/own:lb_app/2',
      'delete virtual-server/own:lb_back/3',
      'create mark/own:lb_app/input/10.0.0.3',
      'delete mark/own:lb_back/input/10.0.9.9',
      'replace dns-name/host/app/web',
      ...oldWay.map((key) => `delete ${key}`),
    ]);
    expect([...waysOfNames(plan.steps)].sort()).toEqual(oldWay);
  });

  it('goes at once where the name has another address to lose it for, or goes itself', () => {
    const narrower = planBetween([...old, ...moved, ['host', name(['10.0.0.2', '10.0.0.3'])]], [...moved, ['host', name(['10.0.0.3'])]]);
    const gone = planBetween([...old, ['host', name(['10.0.0.2'])]], moved);
    for (const { plan } of [narrower, gone]) expect([...waysOfNames(plan.steps)]).toEqual([]);
  });

  it('waits for what only members are told, too', () => {
    const { plan } = planBetween([...old, ['host', name(['10.0.0.9'], ['10.0.0.2'])]], [...moved, ['host', name(['10.0.0.9'], ['10.0.0.3'])]]);
    expect([...waysOfNames(plan.steps)].sort()).toEqual(oldWay);
  });

  it('stays where the name could not be made', () => {
    const { plan, observed } = planBetween([...old, ['host', name(['10.0.0.2'])]], [...moved, ['host', name(['10.0.0.3'])]]);
    expect([...heldBack(plan.steps, new Set(['dns-name/host/app/web']), observed)].sort()).toEqual(oldWay);
    expect(heldBack(plan.steps, new Set(['mark/own:lb_app/input/10.0.0.3']), observed).size).toBe(0);
  });
});
