import { computeNodeState } from '@portolan/compute';
import { type NodeState, observedObject, observedState } from '@portolan/node-state';
import { diffNodeState, isRule } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import { bjdt, type ClusterSketch, idOf, snapshotOf } from '../../compute/test/snapshots.js';
import { renderPlan } from '../src/index.js';
import { layout, present, readable } from './layout.js';

function stateOf(sketch: ClusterSketch, node = 'node1'): NodeState {
  return computeNodeState(snapshotOf(sketch), idOf(node));
}

/** A kernel that holds exactly this state. */
function observed(state: NodeState) {
  const objects = state.objects.map(({ key, hash, space, body }) => (isRule(body.kind) ? { key, hash, space, kind: body.kind } : observedObject(space, body)));
  return observedState(objects, present(state), []);
}

function rendered(from: NodeState | undefined, to: NodeState) {
  const plan = diffNodeState(from === undefined ? observedState([], present(to), []) : observed(from), to);
  return renderPlan(plan, to, layout);
}

const withoutDzwl2 = { ...bjdt, endpoints: bjdt.endpoints.filter(({ name }) => name !== 'dzwl-2') };

describe('rendered text', () => {
  it.each(['node1', 'node2', 'node3'])('of an empty kernel of %s', async (node) => {
    await expect(readable(rendered(undefined, stateOf(bjdt, node)))).toMatchFileSnapshot(`golden/create.${node}.txt`);
  });

  it('of a node that is given up', async () => {
    const state = stateOf(bjdt);
    await expect(readable(rendered(state, { ...state, objects: [] }))).toMatchFileSnapshot('golden/remove.node1.txt');
  });

  it('of an endpoint of another node that goes', async () => {
    await expect(readable(rendered(stateOf(bjdt), stateOf(withoutDzwl2)))).toMatchFileSnapshot('golden/remote-endpoint-goes.txt');
  });

  it('of a weight that changes: one line', () => {
    const next = stateOf({ ...bjdt, endpoints: bjdt.endpoints.map((e) => (e.name === 'dzwl-2' ? { ...e, weight: 5 } : e)) });
    expect(readable(rendered(stateOf(bjdt), next))).toBe(
      [
        '### ipvsadm in own:ingress_sbox, 1 objects',
        '-e -f 330 -r 10.255.0.52:0 -m -w 5',
        '',
        '### ipvsadm in own:lb_5mckih8b5, 1 objects',
        '-e -f 329 -r 10.0.0.22:0 -m -w 5',
        '',
      ].join('\n'),
    );
  });

  it('of a VNI that changes', async () => {
    const next = stateOf({ ...bjdt, networks: bjdt.networks.map((n) => (n.name === 'bjdt_overlay' ? { ...n, vni: 5000 } : n)) });
    await expect(readable(rendered(stateOf(bjdt), next))).toMatchFileSnapshot('golden/vni-changes.txt');
  });

  it('of equal states is nothing', () => {
    expect(rendered(stateOf(bjdt), stateOf(bjdt))).toEqual([]);
  });
});

describe('batches', () => {
  it('are at most one of a tool and namespace on the way up', () => {
    const batches = rendered(undefined, stateOf(bjdt));
    const places = batches.map(({ tool, space }) => `${tool} ${space}`);
    expect(new Set(places).size).toBe(places.length);
    expect(places.indexOf('ipvsadm own:lb_5mckih8b5')).toBeLessThan(places.indexOf('iptables-restore own:lb_5mckih8b5'));
    expect(places.slice(-2)).toEqual(['iptables-restore host', 'dns host']);
  });

  it('write the rules of a namespace twice where a name leaves a VIP: with the old way, and without it when the name is made', () => {
    const withVip = (vip: string, mark: number) =>
      stateOf({ ...bjdt, services: bjdt.services.map((s) => (s.name === 'bjdt_bjdt-dzwl' ? { ...s, on: { ...s.on, bjdt_overlay: [vip, mark] } } : s)) });
    const [before, after] = [withVip('10.0.0.18', 329), withVip('10.0.0.200', 999)];
    const keyOfMark = (address: string): string => `mark/own:lb_5mckih8b5/input/${address}`;
    const plan = diffNodeState(observed(before), after);
    const line = { table: 'mangle', line: 'INPUT -d 10.0.0.18/32 -j MARK' } as const;
    const kept = new Map([[keyOfMark('10.0.0.18'), { space: 'own:lb_5mckih8b5', kind: 'mark', lines: [line] } as const]]);
    const ofVips = renderPlan(plan, after, layout, kept).filter(({ space, tool }) => (space === 'own:lb_5mckih8b5' && tool !== 'ip') || tool === 'dns');
    expect(ofVips.map(({ tool }) => tool)).toEqual(['ipvsadm', 'iptables-restore', 'dns', 'iptables-restore', 'ipvsadm']);
    const [first, last] = ofVips.filter(({ tool }) => tool === 'iptables-restore');
    expect(first?.text).toContain(`-A ${line.line}\n`);
    for (const batch of [first, last]) expect(batch?.text).toContain('-d 10.0.0.200/32');
    expect(last?.text).not.toContain('10.0.0.18');
    expect([first?.keys, last?.keys]).toEqual([[keyOfMark('10.0.0.200')], [keyOfMark('10.0.0.18')]]);
    expect(ofVips.at(-1)?.text).toBe('-D -f 329\n');
  });

  it('name every key of the plan', () => {
    const to = stateOf(bjdt);
    const plan = diffNodeState(observedState([], present(to), []), to);
    const keys = new Set(renderPlan(plan, to, layout).flatMap((batch) => batch.keys));
    expect([...keys].sort()).toEqual(plan.steps.map((step) => (step.action === 'delete' ? step.observed.key : step.object.key)).sort());
  });

  it('never touch IPv6 where the kernel has none', () => {
    const to = stateOf(bjdt);
    const plan = diffNodeState(observedState([], present(to), []), to);
    expect(readable(renderPlan(plan, to, layout))).toContain('addrgenmode');
    expect(readable(renderPlan(plan, to, { ...layout, ipv6: false }))).not.toContain('addrgenmode');
  });

  it('comments stay below the 255 characters that iptables allows', () => {
    const comments = rendered(undefined, stateOf(bjdt)).flatMap(({ text }) => [...text.matchAll(/--comment "([^"]*)"/g)].map(([, c = '']) => c.length));
    expect(Math.max(...comments)).toBeLessThan(256);
  });

  it('a namespace whose lo went down gets it up again, and nothing else', () => {
    const to = stateOf(bjdt);
    const before = observed(to);
    const damaged = { ...before, objects: before.objects.map((o) => (o.key === 'namespace/own:ingress_sbox' ? { ...o, hash: '' } : o)) };
    expect(renderPlan(diffNodeState(damaged, to), to, layout)).toEqual([
      { space: 'own:ingress_sbox', tool: 'ip', text: 'link set dev lo up\n', keys: ['namespace/own:ingress_sbox'], owners: [['namespace/own:ingress_sbox']] },
    ]);
  });

  it('a jump that is missing is put back; one that is there twice goes once; our other jumps stay', () => {
    const to = stateOf(bjdt);
    const before = observed(to);
    const key = 'rule-entry/host/filter/forward';
    const without = { ...before, objects: before.objects.filter((o) => o.key !== key) };
    const jumps = (from: typeof before) =>
      renderPlan(diffNodeState(from, to), to, layout).flatMap(({ text }) => text.split('\n').filter((line) => /^-[ID] /.test(line)));
    expect(jumps(without)).toEqual([expect.stringMatching(/^-I FORWARD -m comment .* -j PORTOLAN-FORWARD$/)]);
    const twice = { ...before, objects: before.objects.map((o) => (o.key === key ? { ...o, hash: '' } : o)) };
    expect(jumps(twice)).toEqual([expect.stringMatching(/^-D FORWARD -m comment .* -j PORTOLAN-FORWARD$/)]);
  });
});
