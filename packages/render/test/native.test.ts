import { computeNodeState } from '@portolan/compute';
import type { NodeState, Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { dataPlaneSnapshot } from '@portolan/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bjdt, type ClusterSketch, idOf, snapshotOf } from '../../compute/test/snapshots.js';
import { renderPlan } from '../src/index.js';
import { backends, NativeHost } from './native-host.js';

/**
 * The rendered text in the kernel that runs the tests, in namespaces of their own. All but IPVS, which few kernels have
 * and which the end-to-end tests cover: without it go the servers, the rules that match `ipvs` and the sysctls of it.
 */
function withoutIpvs(state: NodeState): NodeState {
  const objects = state.objects.filter(
    ({ key, body }) => !['ipvs-timeouts', 'virtual-server', 'real-server', 'source-rewrite'].includes(body.kind) && !key.includes('net.ipv4.vs.'),
  );
  return { ...state, objects };
}

function stateOf(sketch: ClusterSketch): NodeState {
  return withoutIpvs(computeNodeState(snapshotOf(sketch), idOf('node1')));
}

/** The first node of a cluster that has one of everything. */
function everything(): NodeState {
  const snapshot = dataPlaneSnapshot();
  const node = [...snapshot.nodes.values()].find(({ name }) => name === 'node1');
  return withoutIpvs(computeNodeState(snapshot, node?.id ?? ''));
}

describe.each(backends)('one of everything in this kernel, with %s', (backend) => {
  const state = everything();
  let host: NativeHost;
  beforeEach(() => {
    host = new NativeHost(state, backend);
    host.exec(
      'host',
      ['ip', '-batch', '-'],
      'link add eth0 type veth peer name far\nlink set far up\nlink set eth0 up\naddress add 172.16.130.140/24 dev eth0\n',
    );
  });
  afterEach(() => host.close());

  function expectEverything(): void {
    const { objects, foreign } = host.observe();
    expect(objects.map(({ key, hash }) => `${key} ${hash}`)).toEqual(state.objects.map(({ key, hash }) => `${key} ${hash}`));
    expect(foreign).toEqual([]);
  }

  it('is read back as it was written, is not written again, and goes without a trace', () => {
    expect(host.converge(state).length).toBe(state.objects.length);
    expectEverything();
    expect(host.converge(state)).toEqual([]);
    host.converge({ ...state, objects: [] });
    expect(host.observe().objects.filter(({ kind }) => kind !== 'sysctl')).toEqual([]);
    expect(rulesOnly(host.exec('host', [`${backend}-save`]))).toBe('');
  });

  it('is repaired', () => {
    host.converge(state);
    const rule = state.objects.find(({ body }) => body.kind === 'route-rule');
    const vip = state.objects.find(({ body }) => body.kind === 'address' && body.link === 'lo');
    const port = state.objects.find(({ body }) => body.kind === 'veth' && body.isolated === true);
    if (rule?.body.kind !== 'route-rule' || vip?.body.kind !== 'address' || port?.body.kind !== 'veth')
      throw new Error('the sample lacks what is to be broken');
    const broken: [Space, string][] = [
      [rule.space, `ip rule add from ${rule.body.from} lookup 4097 priority 800 protocol 80`],
      [rule.space, 'ip route delete default table 4096'],
      [rule.space, 'ip route replace default dev ptl_gw metric 9 proto 80'],
      [vip.space, `ip address delete ${vip.body.address}/32 dev lo`],
      ['host', `ip link set dev ${port.body.name} type bridge_slave isolated off`],
      ['host', `${backend} -t nat -F PORTOLAN-INGRESS`],
      [rule.space, `${backend} -t nat -F OUTPUT`],
    ];
    for (const [space, command] of broken) host.exec(space, command.split(' '));
    // Of two rules of one key one goes at a time.
    host.converge(state);
    host.converge(state);
    expectEverything();
    expect(host.converge(state)).toEqual([]);
  });
});

describe.each(backends)('in this kernel, with %s', (backend) => {
  const state = stateOf(bjdt);
  let host: NativeHost;
  beforeEach(() => {
    host = new NativeHost(state, backend);
  });
  afterEach(() => host.close());

  function expectEverything(of: NodeState = state): void {
    const { objects, foreign } = host.observe();
    expect(objects.map(({ key, hash }) => `${key} ${hash}`)).toEqual(of.objects.map(({ key, hash }) => `${key} ${hash}`));
    expect(foreign).toEqual([]);
  }

  it('what was written is read back with the same hashes, and a second time nothing is written', () => {
    expect(host.converge(state).length).toBe(state.objects.length);
    expectEverything();
    expect(host.converge(state)).toEqual([]);
  });

  it('goes again without a trace but sysctls', () => {
    const before = host.exec('host', ['ip', '-o', 'link']) + rulesOnly(host.exec('host', [`${backend}-save`]));
    host.converge(state);
    host.converge({ ...state, objects: [] });
    expect(host.observe().objects.filter(({ kind }) => kind !== 'sysctl')).toEqual([]);
    expect(host.exec('host', ['ip', '-o', 'link']) + rulesOnly(host.exec('host', [`${backend}-save`]))).toBe(before);
    for (const id of Object.keys(state.endpoints)) expect(rulesOnly(host.exec(`endpoint:${id}`, [`${backend}-save`]))).toBe('');
  });

  it('repairs what somebody broke', () => {
    host.converge(state);
    const broken: [Space, string[], string?][] = [
      ['own:1-5mckih8b5j', ['ip', 'link', 'set', 'vxlan0', 'down']],
      ['own:1-5mckih8b5j', ['ip', 'link', 'set', 'veth-lb', 'nomaster']],
      ['own:1-0fkrpfqbcp', ['ip', 'link', 'delete', 'br0']],
      ['own:1-0fkrpfqbcp', ['bridge', 'fdb', 'append', '02:42:0a:ff:00:03', 'dev', 'vxlan0', 'dst', '172.16.130.9', 'self', 'permanent']],
      ['own:lb_5mckih8b5', ['ip', 'address', 'delete', '10.0.0.20/32', 'dev', 'eth0']],
      ['own:lb_5mckih8b5', ['ip', 'address', 'add', '10.0.0.77/24', 'dev', 'eth0']],
      ['own:lb_5mckih8b5', ['ip', 'link', 'set', 'lo', 'down']],
      ['own:lb_5mckih8b5', ['iptables', '-t', 'mangle', '-D', 'INPUT', '1']],
      ['own:ingress_sbox', ['ip', 'route', 'delete', 'default']],
      ['host', [backend, '-F', 'FORWARD']],
      ['host', [backend, '-t', 'nat', '-D', 'PORTOLAN-INGRESS', '1']],
      ['host', ['ip', 'link', 'set', 'ptl_gwbridge', 'alias', '']],
      [`endpoint:${idOf('web-1')}`, ['ip', 'link', 'set', 'ov4097', 'mtu', '1300']],
    ];
    for (const [space, argv] of broken) host.exec(space, argv[0] === 'iptables' ? [backend, ...argv.slice(1)] : argv);
    host.converge(state);
    expectEverything();
    expect(host.converge(state)).toEqual([]);
  });

  it('goes on where an agent died: after each batch, and within the batch of the links', () => {
    const begun = () => {
      host.close();
      host = new NativeHost(state, backend);
      return renderPlan(diffNodeState(host.observe(), state), state, host.layout);
    };
    const places = begun().map(({ tool, space }) => `${tool} ${space}`);
    const links = places.indexOf('ip host');
    for (const count of [1, 7]) {
      const batches = begun();
      host.apply(batches.slice(0, links));
      const lines = batches[links]?.text.split('\n').slice(0, count) ?? [];
      host.exec('host', ['ip', '-batch', '-'], `${lines.join('\n')}\n`);
      host.converge(state);
      expectEverything();
    }
    for (let count = links; count < places.length; count += 9) {
      const batches = begun();
      host.apply(batches.slice(0, count));
      host.converge(state);
      expectEverything();
    }
  });

  it('changes a VNI, swaps addresses of endpoints and the subnet of the gateway', () => {
    host.converge(state);
    const next = stateOf({
      ...bjdt,
      settings: { gatewaySubnet: '172.30.0.0/16' },
      networks: bjdt.networks.map((n) => (n.ingress === true ? { ...n, vni: 4097, mtu: 1400 } : { ...n, vni: 4096 })),
      endpoints: bjdt.endpoints.map((e) =>
        e.name === 'web-1'
          ? { ...e, on: { ...e.on, bjdt_overlay: '10.0.0.21' }, gatewayAddress: '172.30.0.4' }
          : e.name === 'dzwl-1'
            ? { ...e, on: { ...e.on, bjdt_overlay: '10.0.0.31' }, gatewayAddress: '172.30.0.3' }
            : e,
      ),
    });
    host.converge(next);
    expectEverything(next);
    expect(host.converge(next)).toEqual([]);
  });

  it('leaves rules alone that are not ours', () => {
    const theirs = '*filter\n:THEIRS - [0:0]\n-A FORWARD -j THEIRS\n-A THEIRS -s 192.0.2.1/32 -j DROP\nCOMMIT\n';
    host.exec('host', [`${backend}-restore`], theirs);
    host.converge(state);
    expect(host.exec('host', [`${backend}-save`, '-t', 'filter'])).toContain('-A FORWARD -j THEIRS\n-A PORTOLAN');
    host.converge({ ...state, objects: [] });
    expect(rulesOnly(host.exec('host', [`${backend}-save`, '-t', 'filter']))).toBe('-A FORWARD -j THEIRS\n-A THEIRS -s 192.0.2.1/32 -j DROP');
  });

  it('an endpoint goes away and comes back', () => {
    host.converge(state);
    const space: Space = `endpoint:${idOf('web-1')}`;
    host.removeNamespace(space);
    const others = state.objects.filter(({ key, body }) => !key.includes(space) && !(body.kind === 'veth' && body.peer.space === space));
    // The kernel takes a namespace apart when it pleases: what was seen of it may be gone when it is to be removed.
    try {
      host.converge(state);
    } catch {
      host.converge(state);
    }
    const found = host.observe().objects.filter(({ hash }) => hash !== '');
    expect(found.map(({ key }) => key)).toEqual(others.map(({ key }) => key));
    host.addNamespace(space);
    host.converge(state);
    expectEverything();
  });
});

function rulesOnly(saved: string): string {
  return saved
    .split('\n')
    .filter((line) => line.startsWith('-A') || /^:PORTOLAN/.test(line))
    .join('\n');
}

it('has a backend of iptables to try it with: needs root, unshare and iptables', () => {
  expect(backends).not.toEqual([]);
});
