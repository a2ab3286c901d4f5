import { type KernelObject, kernelObject, type NodeState, nodeState, type ObjectBody, type Space } from '@portolan/node-state';
import { asFound, diffNodeState } from '@portolan/plan';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carryOut, type Exec, type Kernel, openLinuxKernel, requestOf } from '../src/index.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
});
afterEach(() => host.dispose());

const origin = { computedBy: 'gateway' } as const;
const of = (space: Space, ...bodies: readonly ObjectBody[]): KernelObject[] => bodies.map((body) => kernelObject(space, body, origin));

function stateOf(...objects: readonly KernelObject[]): NodeState {
  return nodeState({ cluster: '', node: '', address: '192.0.2.1', endpoints: {}, watch: { probes: {}, nodes: {}, draining: [] }, objects });
}

async function run(state: NodeState, alone: ReadonlySet<string> = new Set()) {
  const request = requestOf(state);
  const observed = await kernel.observe(request);
  const before = host.exec.started;
  const { applied, blames, aside } = await carryOut({
    kernel,
    target: { observed, desired: state },
    plan: diffNodeState(observed, state),
    alone,
    observe: (written) => kernel.observe({ ...request, written }),
  });
  return { applied, blames, aside, blamed: blames.map(({ key }) => key), processes: host.exec.started - before };
}

async function left(state: NodeState): Promise<string[]> {
  const { steps } = diffNodeState(await kernel.observe(requestOf(state)), state);
  return steps.map((step) => (step.action === 'delete' ? `delete ${step.observed.key}` : `${step.action} ${step.object.key}`));
}

const entries = (['prerouting', 'postrouting'] as const).map((stage): ObjectBody => ({ kind: 'rule-entry', table: 'nat', stage }));
const forward = (port: number, to: string): ObjectBody => ({ kind: 'port-forward', protocol: 'tcp', port, to, toPort: port });
/** An address that iptables refuses, though an agent never gets such. */
const NOWHERE = '172.20.0.999';

describe('what fails on a real kernel', () => {
  it('is one line of ip: the tool is named with what it said, and everything else is there', async () => {
    const state = stateOf(
      ...of(
        'host',
        { kind: 'bridge', name: 'ptl_gwbridge', mtu: 1500, mac: '02:42:c0:a8:f0:01' },
        { kind: 'bridge', name: 'cni0', mtu: 1, mac: '02:42:c0:a8:f0:02' },
        { kind: 'address', link: 'ptl_gwbridge', address: '172.20.0.1', prefixLength: 16 },
        { kind: 'address', link: 'cni0', address: '10.244.1.1', prefixLength: 24 },
        { kind: 'route', destination: '10.9.0.0/24', via: '172.20.0.9', link: 'ptl_gwbridge' },
        { kind: 'route', destination: '10.8.0.0/24', via: '192.0.2.9', link: 'ptl_gwbridge' },
      ),
      ...of(
        'own:lb_x',
        { kind: 'namespace' },
        { kind: 'sysctl', name: 'net.ipv4.nothing', value: '1' },
        { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
      ),
    );
    const { blames, aside, processes } = await run(state);
    expect(blames.map(({ key, said }) => `${key}: ${said.replaceAll('\n', ' | ')}`)).toEqual([
      expect.stringMatching(/^bridge\/host\/cni0: .*mtu.*link add name cni0/),
      'sysctl/own:lb_x/net.ipv4.nothing: net.ipv4.nothing: ENOENT',
      expect.stringMatching(/^route\/host\/10\.8\.0\.0\/24: .*invalid gateway.*route replace 10\.8/i),
    ]);
    expect(blames[0]?.ran).toMatchObject({ exitCode: 1, command: expect.stringContaining('ip -batch -') });
    expect([...aside]).toContain('address/host/cni0/10.244.1.1');
    const missing = [
      'create bridge/host/cni0',
      'create address/host/cni0/10.244.1.1',
      'create sysctl/own:lb_x/net.ipv4.nothing',
      'create route/host/10.8.0.0/24',
    ];
    expect((await left(state)).sort()).toEqual([...missing].sort());
    expect(processes).toBeLessThanOrEqual(6);
    const before = host.run('ip -o link; ip -o addr; ip route');
    const again = await run(state);
    expect(again.blamed).toEqual(['bridge/host/cni0', 'sysctl/own:lb_x/net.ipv4.nothing', 'route/host/10.8.0.0/24']);
    expect(host.run('ip -o link; ip -o addr; ip route')).toBe(before);
  });

  it('is one rule of many: the others are written, and the one that it was to replace stays', async () => {
    const good = Array.from({ length: 30 }, (_, i) => forward(1000 + i, '172.20.0.2'));
    await run(stateOf(...of('host', ...entries, ...good.slice(0, 10), forward(80, '172.20.0.3'))));
    const state = stateOf(...of('host', ...entries, ...good, forward(80, NOWHERE), forward(81, NOWHERE)));
    const { blames, processes } = await run(state);
    expect(blames.map(({ key }) => key).sort()).toEqual(['port-forward/host/tcp/80', 'port-forward/host/tcp/81']);
    expect(blames[0]?.said).toContain(NOWHERE);
    // Two for each attempt, and at most 2·log2 of the batch attempts for each of the two.
    expect(processes).toBeLessThanOrEqual(2 * (2 + 2 * 2 * 5));
    expect((await left(state)).sort()).toEqual(['create port-forward/host/tcp/81', 'replace port-forward/host/tcp/80']);
    const rules = host.run('iptables-save | grep -v "^[#:]"');
    expect(rules).toContain('--to-destination 172.20.0.3:80');
    expect(rules.match(/portolan rule-entry/g)).toHaveLength(2);
    await run(state);
    expect(host.run('iptables-save | grep -v "^[#:]"')).toBe(rules);
    const mended = stateOf(...of('host', ...entries, ...good, forward(80, '172.20.0.4')));
    expect((await run(mended)).blames).toEqual([]);
    expect(await left(mended)).toEqual([]);
    expect(host.run('iptables-save')).not.toContain('172.20.0.3');
  });

  it('is all that was to be written: what goes is gone all the same', async () => {
    await run(stateOf(...of('host', ...entries, forward(80, '172.20.0.3'), forward(79, '172.20.0.3'))));
    const state = stateOf(...of('host', ...entries, forward(80, NOWHERE)));
    expect((await run(state)).blamed).toEqual(['port-forward/host/tcp/80']);
    expect(await left(state)).toEqual(['replace port-forward/host/tcp/80']);
    expect(host.run('iptables-save')).not.toContain('--dport 79');
  });
});

describe.each(['nft', 'legacy'])('where the first of two tables may have been written, as with iptables-%s', (backend) => {
  it('nothing is written twice, and nothing of what failed stays', async () => {
    const exec: Exec = {
      get started() {
        return host.exec.started;
      },
      run: ([tool, ...rest], options) => host.exec.run([tool.replace(/^iptables/, `iptables-${backend}`), ...rest], options),
    };
    kernel = openLinuxKernel({ ...host, exec });
    const filter: ObjectBody = { kind: 'endpoint-filter', address: NOWHERE, open: [] };
    const both = [...entries, { kind: 'rule-entry', table: 'filter', stage: 'input' }, { kind: 'rule-entry', table: 'filter', stage: 'forward' }] as const;
    const state = stateOf(...of('host', ...both, forward(80, '172.20.0.3'), filter));
    for (const _time of ['first', 'second']) {
      expect((await run(state)).blamed).toEqual([`endpoint-filter/host/${NOWHERE}`]);
      expect(await left(state)).toEqual([`create endpoint-filter/host/${NOWHERE}`]);
    }
    expect(host.run(`iptables-${backend}-save`).match(/portolan rule-entry/g)).toHaveLength(both.length);
    const other = stateOf(...of('host', ...both, forward(80, '172.20.0.4'), forward(81, NOWHERE), filter));
    expect((await run(other)).blamed.sort()).toEqual([`endpoint-filter/host/${NOWHERE}`, 'port-forward/host/tcp/81']);
    expect(host.run(`iptables-${backend}-save`).match(/172\.20\.0\.4:80/g)).toHaveLength(1);
    await run(stateOf());
    expect(host.run(`iptables-${backend}-save`)).not.toContain('PORTOLAN');
  });
});

describe('what is left alone', () => {
  it('stays as it was found though its table is written', async () => {
    const before = stateOf(...of('host', ...entries, forward(80, '172.20.0.3'), forward(81, '172.20.0.3')));
    await run(before);
    // As others would: one changed, one is gone, and one of ours that nobody wants has come.
    host.run('iptables-save | sed "s/172.20.0.3:80/172.20.0.7:80/" | grep -v "tcp.81" | iptables-restore');
    host.run('iptables -t nat -A PORTOLAN-INGRESS -p tcp --dport 99 -m comment --comment "portolan port-forward/tcp/99 0123456789abcdef 1/1" -j RETURN');
    const desired = stateOf(...before.objects, ...of('host', forward(82, '172.20.0.3')));
    const drifted = new Set(['port-forward/host/tcp/81', 'port-forward/host/tcp/99']);
    const request = requestOf(desired);
    const observed = await kernel.observe(request);
    const target = asFound(observed, desired, drifted);
    const plan = diffNodeState(target.observed, target.desired);
    const { blames } = await carryOut({ kernel, target, plan, alone: drifted, observe: (written) => kernel.observe({ ...request, written }) });
    expect(blames).toEqual([]);
    expect((await left(desired)).sort()).toEqual(['create port-forward/host/tcp/81', 'delete port-forward/host/tcp/99']);
    expect(host.run('iptables-save')).toContain('--dport 82');
  });
});
