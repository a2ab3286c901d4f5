import { computeNodeState } from '@portolan/compute';
import type { Snapshot } from '@portolan/model';
import { type NodeState, type ObjectBody, observedObject, type Space } from '@portolan/node-state';
import { dataPlaneSnapshot, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { desiredWorld, type Explanation, explanationOf, type Obstruction, observedWorld, type Question } from '../src/index.js';

/** A kernel as its agent would report it, with changes made by hand. */
interface Damage {
  readonly node: string;
  /** Keys of what is gone. */
  readonly gone?: readonly string[];
  /** Keys of rules that are damaged. */
  readonly damaged?: readonly string[];
  /** Keys of what is damaged although all that it says could be read, such as a link that is down. */
  readonly down?: readonly string[];
  /** Keys of what says something else than it should. */
  readonly changed?: Readonly<Record<string, (body: ObjectBody) => ObjectBody>>;
  /** A second real server of the same virtual server. */
  readonly stale?: { readonly space: Space; readonly mark: number; readonly address: string };
  readonly foreign?: Obstruction;
}

const stateOf =
  (snapshot: Snapshot) =>
  ({ id }: { readonly id: string }): NodeState =>
    computeNodeState(snapshot, id);

function explained(snapshot: Snapshot, question: Question, damage?: Damage): Explanation {
  const desired = desiredWorld(snapshot, stateOf(snapshot));
  if (damage === undefined) return explanationOf(desired, question);
  const observed = observedWorld(snapshot, stateOf(snapshot), (node) => {
    const objects = stateOf(snapshot)(node).objects.map(({ space, body }) => observedObject(space, body));
    if (node.name !== damage.node) return { objects, obstructions: [] };
    const { gone = [], damaged = [], down = [], changed = {}, stale, foreign } = damage;
    const left = objects
      .filter(({ key }) => !gone.includes(key))
      .map((own) => {
        const { body, ...rest } = own;
        const change = changed[own.key];
        if (change !== undefined && body !== undefined) return observedObject(own.space, change(body));
        if (down.includes(own.key)) return { ...own, hash: '' };
        return damaged.includes(own.key) ? { ...rest, hash: '' } : own;
      });
    const extra =
      stale === undefined
        ? []
        : [observedObject(stale.space, { kind: 'real-server', mark: stale.mark, address: stale.address, forwarding: 'masquerade', weight: 1 })];
    return { objects: [...left, ...extra], obstructions: foreign === undefined ? [] : [foreign] };
  });
  return explanationOf(observed, question, desired);
}

const bjdt = sampleSnapshot();
const web1 = [...bjdt.endpoints.values()].find(({ name }) => name === 'bjdt_bjdt-dzwl-web.1')?.id ?? '';
const mesh: Question = { from: 'outside', to: 'bjdt_bjdt-dzwl-web:8000', node: 'node3', backend: 'bjdt_bjdt-dzwl-web.1' };
const inside: Question = { from: 'endpoint:bjdt_bjdt-dzwl-web.1', to: 'bjdt_bjdt-dzwl:8080', backend: 'bjdt_bjdt-dzwl.2' };

describe('a flow as it should be', () => {
  it('goes through the mesh by a node without an endpoint, to each backend alike, and back', () => {
    const { verdict, paths, resolution } = explained(bjdt, { from: 'outside', to: 'bjdt_bjdt-dzwl-web:8000', node: 'node3' });
    expect(verdict).toMatchObject({ outcome: 'delivered' });
    expect(resolution).toMatchObject({ addresses: ['172.16.130.170'] });
    expect(Object.fromEntries(paths.map(({ backend, share }) => [backend, share]))).toEqual({ 'bjdt_bjdt-dzwl-web.1': 0.5, 'bjdt_bjdt-dzwl-web.2': 0.5 });
    for (const { reply } of paths) expect(reply.at(-1)?.place.space).toBe('outside');
  });

  it('asks the name server of the node, and is balanced over three backends by the mark 329', () => {
    const { resolution, paths } = explained(bjdt, { from: 'endpoint:bjdt_bjdt-dzwl-web.1', to: 'bjdt_bjdt-dzwl' });
    expect(resolution).toMatchObject({ addresses: ['10.0.0.20'] });
    expect(paths).toHaveLength(3);
    for (const { forward } of paths) expect(forward.some(({ after }) => after.mark === 329)).toBe(true);
  });

  it('reaches a published port on 127.0.0.1 of a host', () => {
    expect(explained(bjdt, { from: 'node:node3', to: '127.0.0.1:8000' }).verdict.outcome).toBe('delivered');
  });

  it('does not fit where it is larger than the overlay and may not be fragmented', () => {
    expect(explained(bjdt, { ...inside, size: 1500 }).verdict).toMatchObject({ outcome: 'too-big', fix: expect.any(String) });
  });

  it('tells from lease to forwarding entry how a node knows where a container of flannel lives', () => {
    const snapshot = dataPlaneSnapshot();
    const pods = [...snapshot.endpoints.values()].filter(({ flannel }) => flannel?.address != null);
    const [first] = pods;
    const other = pods.find(({ nodeId }) => nodeId !== first?.nodeId);
    const { verdict, trails } = explained(snapshot, { from: `endpoint:${first?.name}`, to: `endpoint:${other?.name}/icmp` });
    expect(verdict.outcome).toBe('delivered');
    expect(trails[0]).toMatchObject({ registryKey: expect.stringMatching(/^10\.244\./), route: { kind: 'route' } });
    expect(trails[0]?.lines.length).toBeGreaterThan(1);
  });
});

describe('what cannot be asked', () => {
  it.each([
    ['a client of no kind', { from: 'web.1', to: '10.0.0.20' }, 'invalid-document'],
    ['an address that is none', { from: 'outside:10.0.0', to: '10.0.0.20' }, 'invalid-document'],
    ['a protocol that is none', { from: 'outside', to: '10.0.0.20:80/quic' }, 'invalid-document'],
    ['a port that is none', { from: 'outside', to: '10.0.0.20:70000' }, 'invalid-document'],
    ['an endpoint that is not there', { from: 'endpoint:nobody', to: '10.0.0.20' }, 'not-found'],
    ['a service that is not there', { from: 'outside', to: 'nobody:80' }, 'not-found'],
    ['a port that is not published', { from: 'outside', to: 'bjdt_bjdt-dzwl-web:9999' }, 'not-found'],
  ])('%s', (_what, question, code) => {
    expect(() => explained(bjdt, question)).toThrow(expect.objectContaining({ code }));
  });

  it('a name that nobody has leads nowhere, and says so', () => {
    expect(explained(bjdt, { from: 'endpoint:bjdt_bjdt-dzwl-web.1', to: 'nobody' }).verdict).toMatchObject({
      outcome: 'no-backend',
      reason: expect.stringContaining('nobody'),
    });
  });
});

describe('a fault in a kernel is named', () => {
  const balancer: Space = 'own:lb_5mckih8b5';
  const overlay: Space = 'own:1-5mckih8b5z';
  const sandbox: Space = 'own:ingress_sbox';
  const faults: readonly (readonly [what: string, question: Question, damage: Damage, key: string])[] = [
    ['mark of a VIP', inside, { node: 'node1', gone: [`mark/${balancer}/input/10.0.0.20`] }, `mark/${balancer}/input/10.0.0.20`],
    ['virtual server', inside, { node: 'node1', gone: [`virtual-server/${balancer}/329`] }, `virtual-server/${balancer}/329`],
    ['VIP', inside, { node: 'node1', gone: [`address/${balancer}/eth0/10.0.0.20`] }, `address/${balancer}/eth0/10.0.0.20`],
    ['source rewrite', inside, { node: 'node1', gone: [`source-rewrite/${balancer}/10.0.0.0/24`] }, `source-rewrite/${balancer}/10.0.0.0/24`],
    ['neighbour', inside, { node: 'node1', gone: [`neighbour/${overlay}/vxlan0/10.0.0.7`] }, `neighbour/${overlay}/vxlan0/10.0.0.7`],
    ['forwarding entry', inside, { node: 'node1', gone: [`fdb/${overlay}/vxlan0/02:42:0a:00:00:07`] }, `fdb/${overlay}/vxlan0/02:42:0a:00:00:07`],
    ['VXLAN device', inside, { node: 'node1', gone: [`vxlan/${overlay}/vxlan0`] }, `vxlan/${overlay}/vxlan0`],
    ['VXLAN device of the other host', inside, { node: 'node2', gone: [`vxlan/${overlay}/vxlan0`] }, `vxlan/${overlay}/vxlan0`],
    ['port of an endpoint', inside, { node: 'node2', gone: [`veth/${overlay}/veth0a000007`] }, `veth/${overlay}/veth0a000007`],
    ['published port', mesh, { node: 'node3', gone: ['port-forward/host/tcp/8000'] }, 'port-forward/host/tcp/8000'],
    ['published port, damaged', mesh, { node: 'node3', damaged: ['port-forward/host/tcp/8000'] }, 'port-forward/host/tcp/8000'],
    ['jump into the chain of published ports', mesh, { node: 'node3', gone: ['rule-entry/host/nat/prerouting'] }, 'rule-entry/host/nat/prerouting'],
    ['mark of a published port', mesh, { node: 'node3', gone: [`mark/${sandbox}/prerouting/tcp/8000`] }, `mark/${sandbox}/prerouting/tcp/8000`],
    ['way back of the sandbox', mesh, { node: 'node3', gone: [`route/${sandbox}/default`] }, `route/${sandbox}/default`],
    ['pair of the sandbox', mesh, { node: 'node3', gone: ['veth/host/ptl_ingress'] }, 'veth/host/ptl_ingress'],
    ['forwarding', mesh, { node: 'node3', gone: ['sysctl/host/net.ipv4.ip_forward'] }, 'sysctl/host/net.ipv4.ip_forward'],
    [
      'port redirect of an endpoint',
      mesh,
      { node: 'node1', gone: [`port-redirect/endpoint:${web1}/10.255.0.9/tcp/8000`] },
      `port-redirect/endpoint:${web1}/10.255.0.9/tcp/8000`,
    ],
    ['address of an endpoint', mesh, { node: 'node1', gone: [`address/endpoint:${web1}/ov4096/10.255.0.9`] }, `address/endpoint:${web1}/ov4096/10.255.0.9`],
    [
      'stale real server',
      { ...inside, backend: undefined },
      { node: 'node1', stale: { space: balancer, mark: 329, address: '10.0.0.99' } },
      `real-server/${balancer}/329/10.0.0.99`,
    ],
    [
      'foreign rule',
      mesh,
      { node: 'node3', foreign: { space: 'host', chain: 'filter/FORWARD', text: '-A FORWARD -j DROP' } },
      'obstructed/host/filter/FORWARD',
    ],
  ];

  it.each(faults)('%s', (_what, question, damage, key) => {
    const { verdict, divergences } = explained(bjdt, question, damage);
    expect(verdict.outcome).not.toBe('delivered');
    expect(divergences[0]).toMatchObject({ decisive: true, object: { node: damage.node, key } });
  });

  it.each([
    ['VXLAN device', { node: 'node2', down: [`vxlan/${overlay}/vxlan0`] }, `vxlan/${overlay}/vxlan0`],
    ['bridge', { node: 'node1', down: [`bridge/${overlay}/br0`] }, `bridge/${overlay}/br0`],
  ] satisfies readonly (readonly [string, Damage, string])[])('%s that is down, though it says what it should', (_what, damage, key) => {
    const { verdict, divergences } = explained(bjdt, inside, damage);
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { node: damage.node, key } });
    expect(divergences).toMatchObject([{ decisive: true, difference: 'different', object: { key } }]);
  });

  it('a neighbour with a wrong address is blamed, not the forwarding entry of that address, which is rightly missing', () => {
    const key = `neighbour/${overlay}/vxlan0/10.0.0.7`;
    const wrong = (body: ObjectBody): ObjectBody => (body.kind === 'neighbour' ? { ...body, mac: '02:42:0a:00:00:63' } : body);
    const { verdict } = explained(bjdt, inside, { node: 'node1', changed: { [key]: wrong } });
    expect(verdict).toMatchObject({ outcome: 'unreachable', object: { node: 'node1', key, origin: { network: 'bjdt_overlay' } } });
    expect(verdict.reason).toContain(`${key} is other than it should be`);
  });

  describe('of a container that its agent calls absent', () => {
    const whole = dataPlaneSnapshot();
    const pod = [...whole.endpoints.values()].find(({ name }) => name === 'pod.1');
    const node = [...whole.nodes.values()].find(({ id }) => id === pod?.nodeId);
    if (pod === undefined || node === undefined) throw new Error('there is no pod.1');
    const snapshot = { ...whole, endpoints: new Map(whole.endpoints).set(pod.id, { ...pod, presence: 'absent' }) };
    const space: Space = `endpoint:${pod.id}`;
    const objects = stateOf(snapshot)(node).objects.filter((own) => own.space === space);
    const keys = objects.map(({ key }) => key);
    const [route = ''] = objects.flatMap(({ key, body }) => (body.kind === 'route' && body.destination === 'default' ? [key] : []));

    it('for something that it has lost: what is left of it works', () => {
      const { verdict, divergences } = explained(snapshot, { from: 'endpoint:pod.1', to: 'endpoint:pod.2/icmp' }, { node: node.name, gone: [route] });
      expect(verdict.outcome).toBe('delivered');
      expect(divergences).toMatchObject([{ difference: 'missing', object: { node: node.name, key: route } }]);
    });

    it('because its namespace is gone: that is it, not what should be in there', () => {
      for (const to of ['endpoint:pod.2/icmp', '203.0.113.5:443']) {
        const { verdict, divergences } = explained(snapshot, { from: 'endpoint:pod.1', to }, { node: node.name, gone: keys });
        const object = { node: node.name, key: `namespace/${space}`, kind: 'namespace' };
        expect(verdict).toMatchObject({ outcome: 'unreachable', object });
        expect(divergences).toMatchObject([{ decisive: true, difference: 'missing', object }]);
      }
    });
  });

  it('a foreign rule is the same object in the verdict and in the divergences', () => {
    const foreign: Obstruction = { space: 'host', chain: 'filter/FORWARD', text: '-A FORWARD -p tcp -j DROP' };
    const { verdict, divergences } = explained(bjdt, mesh, { node: 'node3', foreign });
    expect(verdict).toMatchObject({ outcome: 'dropped', object: { node: 'node3', key: 'obstructed/host/filter/FORWARD' } });
    expect(divergences.map(({ object }) => object)).toEqual([verdict.object]);
  });

  it('says nothing of a kernel that is as it should be', () => {
    expect(explained(bjdt, mesh, { node: 'node3' })).toMatchObject({ verdict: { outcome: 'delivered' }, divergences: [] });
  });
});
