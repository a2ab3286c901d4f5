import { kernelObject, type NodeState, nodeState, type ObjectBody, type Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { beforeEach, describe, expect, it } from 'vitest';
import { carryOut, type FakeKernel, openFakeKernel, requestOf } from '../src/index.js';

const LB = 'own:lb_x';
const origin = { computedBy: 'load-balancer' } as const;
const of = (space: Space, ...bodies: readonly ObjectBody[]) => bodies.map((body) => kernelObject(space, body, origin));

/** A load balancer with so many VIPs, and a peer behind flannel's VTEP. */
function stateWith(vips: number, generation = 1): NodeState {
  const numbers = Array.from({ length: vips }, (_, i) => i + 1);
  return nodeState({
    cluster: '',
    node: '',
    address: '192.0.2.1',
    endpoints: {},
    watch: { probes: {}, nodes: {}, draining: [] },
    objects: [
      ...of(LB, { kind: 'namespace' }, { kind: 'bridge', name: 'br0', mtu: 1400 + generation }),
      ...numbers.flatMap((n) =>
        of(
          LB,
          { kind: 'address', link: 'br0', address: `10.0.1.${n}`, prefixLength: 32 },
          { kind: 'virtual-server', mark: 256 * generation + n, scheduler: 'rr' },
          { kind: 'real-server', mark: 256 * generation + n, address: `10.0.0.${n}`, forwarding: 'masquerade', weight: 1 },
          { kind: 'mark', match: { stage: 'input', destination: `10.0.1.${n}` }, mark: 256 * generation + n },
        ),
      ),
      ...of('host', { kind: 'file', path: '/run/x', content: String(generation) }),
      ...of('host', ...numbers.map((n): ObjectBody => ({ kind: 'dns-name', network: 'app', name: `web${n}`, addresses: [`10.0.1.${n}`] }))),
    ],
  });
}

let kernel: FakeKernel;
beforeEach(() => {
  kernel = openFakeKernel();
});

async function run(state: NodeState) {
  kernel.intend(state);
  const request = requestOf(state);
  const observe: Parameters<typeof carryOut>[0]['observe'] = (written) => kernel.observe({ ...request, written });
  const observed = await kernel.observe(request);
  const plan = diffNodeState(observed, state);
  const before = kernel.counts.batches;
  const { applied, blames, aside } = await carryOut({ kernel, target: { observed, desired: state }, plan, alone: new Set(), observe });
  return { applied, aside, blamed: blames.map(({ key, said }) => `${key}: ${said}`), batches: kernel.counts.batches - before };
}

/** Keys that are not as the state wants them. */
function wrong(state: NodeState): string[] {
  const wanted = state.objects.filter(({ key, hash }) => kernel.objects.get(key)?.hash !== hash).map(({ key }) => key);
  const left = [...kernel.objects.keys()].filter((key) => !state.objects.some((object) => object.key === key));
  return [...wanted, ...left].sort();
}

const refusing =
  (...keys: readonly string[]) =>
  (key: string) =>
    keys.includes(key) ? `not ${key}` : undefined;

describe('a plan of which something fails', () => {
  it('does everything else: lines of ip, IPVS, files and rules, and what rests on what failed is set aside', async () => {
    const state = stateWith(20);
    kernel.refuses = refusing(`address/${LB}/br0/10.0.1.2`, `virtual-server/${LB}/260`, `mark/${LB}/input/10.0.1.7`, 'file/host//run/x');
    const { blamed } = await run(state);
    expect(blamed.map((line) => line.split(':')[0] + line.slice(line.lastIndexOf(': not'))).length).toBe(4);
    expect(wrong(state)).toEqual(
      [
        `address/${LB}/br0/10.0.1.2`,
        'dns-name/host/app/web2',
        `virtual-server/${LB}/260`,
        `real-server/${LB}/260/10.0.0.4`,
        `mark/${LB}/input/10.0.1.4`,
        'dns-name/host/app/web4',
        `mark/${LB}/input/10.0.1.7`,
        'dns-name/host/app/web7',
        'file/host//run/x',
      ].sort(),
    );
  });

  it('comes to the same the second time, without touching anything else', async () => {
    const state = stateWith(20);
    kernel.refuses = refusing(`virtual-server/${LB}/260`, `mark/${LB}/input/10.0.1.7`);
    const first = await run(state);
    const before = new Map(kernel.objects);
    const second = await run(state);
    expect(second.blamed).toEqual(first.blamed);
    expect([...kernel.objects]).toEqual([...before]);
    const touched = new Set(second.applied.filter(({ exitCode }) => exitCode === 0).flatMap(({ batch }) => batch.keys));
    expect([...touched]).toEqual([]);
    kernel.refuses = () => undefined;
    await run(state);
    expect(wrong(state)).toEqual([]);
  });

  it('makes before it breaks: what failed was to replace stays, with what that rests on', async () => {
    const old = stateWith(3);
    await run(old);
    const next = stateWith(3, 2);
    kernel.refuses = refusing(`mark/${LB}/input/10.0.1.2`, `bridge/${LB}/br0`);
    await run(next);
    const bridge = old.objects.find(({ key }) => key === `bridge/${LB}/br0`);
    const mark = old.objects.find(({ key }) => key === `mark/${LB}/input/10.0.1.2`);
    expect(kernel.objects.get(bridge?.key ?? '')?.hash).toBe(bridge?.hash);
    expect(kernel.objects.get(mark?.key ?? '')?.hash).toBe(mark?.hash);
    // A link that could not be changed where it is is there all the same, and so is what is on it.
    expect(kernel.objects.has(`address/${LB}/br0/10.0.1.1`)).toBe(true);
    expect(kernel.objects.has(`virtual-server/${LB}/258`)).toBe(true);
    expect(kernel.objects.has(`virtual-server/${LB}/514`)).toBe(true);
    kernel.refuses = () => undefined;
    await run(next);
    expect(wrong(next)).toEqual([]);
  });

  it('leaves the old VIP of a name as it was where the name could not be led to the new one', async () => {
    const old = stateWith(1);
    const { hash: _hash, ...rest } = old;
    const next = nodeState({
      ...rest,
      objects: [
        ...of(LB, { kind: 'namespace' }, { kind: 'bridge', name: 'br0', mtu: 1401 }),
        ...of(LB, { kind: 'virtual-server', mark: 7, scheduler: 'rr' }, { kind: 'mark', match: { stage: 'input', destination: '10.0.1.9' }, mark: 7 }),
        ...of('host', { kind: 'dns-name', network: 'app', name: 'web1', addresses: ['10.0.1.9'] }, { kind: 'file', path: '/run/x', content: '1' }),
      ],
    });
    for (const refused of ['dns-name/host/app/web1', `mark/${LB}/input/10.0.1.9`]) {
      kernel.refuses = () => undefined;
      await run(old);
      kernel.refuses = refusing(refused);
      await run(next);
      for (const key of ['dns-name/host/app/web1', `mark/${LB}/input/10.0.1.1`, `virtual-server/${LB}/257`])
        expect(kernel.objects.get(key)?.hash, `${key} without ${refused}`).toBe(old.objects.find((object) => object.key === key)?.hash);
    }
    kernel.refuses = () => undefined;
    await run(next);
    expect(wrong(next)).toEqual([]);
  });

  it('finds one rule among a thousand by few attempts', async () => {
    const state = stateWith(250);
    await run(stateWith(0));
    kernel.refuses = refusing(`mark/${LB}/input/10.0.1.77`);
    const { blamed, batches, applied } = await run(state);
    expect(blamed).toEqual([`mark/${LB}/input/10.0.1.77: not mark/${LB}/input/10.0.1.77`]);
    expect(applied.filter(({ batch }) => batch.tool === 'iptables-restore').length).toBeLessThanOrEqual(1 + 2 * 8 + 1);
    expect(batches).toBeLessThan(30);
    expect(wrong(state)).toEqual(['dns-name/host/app/web77', `mark/${LB}/input/10.0.1.77`]);
  });

  it('gives a batch up when too much of it fails, and goes on with the others', async () => {
    const state = stateWith(40);
    kernel.refuses = (key) => (key.startsWith('address/') ? 'no addresses' : undefined);
    const { blamed, batches } = await run(state);
    expect(blamed).toHaveLength(9);
    expect(blamed[8]).toMatch(/^undefined: 32 more were not tried after 8 had failed, the last with: no addresses$/);
    expect(batches).toBeLessThan(20);
    expect(wrong(state).every((key) => key.startsWith('address/') || key.startsWith('dns-name/'))).toBe(true);
  });

  it('gives up what nobody can tell the failure of, and goes on with the others', async () => {
    const state = stateWith(4);
    kernel.onBatch = ({ tool }) => (tool === 'ipvsadm' ? 1 : 0);
    const { blamed } = await run(state);
    expect(blamed).toEqual(['undefined: refused by the test']);
    expect(wrong(state).some((key) => key.startsWith('address/') || key.startsWith('file/'))).toBe(false);
    expect(wrong(state).filter((key) => key.startsWith('mark/'))).toHaveLength(4);
  });
});
