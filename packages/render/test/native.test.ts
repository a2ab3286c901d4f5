import { execFileSync, spawnSync } from 'node:child_process';
import { computeNodeState } from '@portolan/compute';
import { type NodeState, type ObservedObject, type ObservedState, observedState, type Space, sysctlNames } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bjdt, type ClusterSketch, idOf, snapshotOf } from '../../compute/test/snapshots.js';
import {
  type Batch,
  joinVeths,
  type Layout,
  renderPlan,
  scanFdb,
  scanIptablesSave,
  scanLinks,
  scanNeighbours,
  scanRoutes,
  scanSysctls,
  type Tool,
  type VethHalf,
} from '../src/index.js';

/**
 * The rendered text in the kernel that runs the tests, in namespaces of their own. All but IPVS, which few kernels have
 * and which the end-to-end tests cover: without it go the servers, the rules that match `ipvs` and the sysctls of it.
 */
const isRoot = process.getuid?.() === 0;
const backends = isRoot ? ['iptables-nft', 'iptables-legacy'].filter(isUsable) : [];

/** Whether this machine has the program, and this kernel its tables; asked in a namespace that goes at once. */
function isUsable(backend: string): boolean {
  return spawnSync('unshare', ['--net', backend, '--table', 'nat', '--list-rules']).status === 0;
}

function withoutIpvs(state: NodeState): NodeState {
  const objects = state.objects.filter(
    ({ key, body }) => body.kind !== 'virtual-server' && body.kind !== 'real-server' && body.kind !== 'source-rewrite' && !key.includes('net.ipv4.vs.'),
  );
  return { ...state, objects };
}

function stateOf(sketch: ClusterSketch): NodeState {
  return withoutIpvs(computeNodeState(snapshotOf(sketch), idOf('node1')));
}

let run = 0;
class NativeHost {
  private readonly prefix = `ptlr${process.pid}${run++}`;
  private readonly made = new Set<string>();
  readonly layout: Layout = { pathOf: (space) => `/run/netns/${this.netns(space)}` };

  constructor(
    readonly state: NodeState,
    readonly backend: string,
  ) {
    for (const space of ['host' as const, ...Object.keys(state.endpoints).map((id): Space => `endpoint:${id}`)]) this.addNamespace(space);
  }

  private netns(space: Space): string {
    return `${this.prefix}-${space.replace(':', '-')}`;
  }

  addNamespace(space: Space): void {
    execFileSync('ip', ['netns', 'add', this.netns(space)]);
    this.made.add(this.netns(space));
  }

  removeNamespace(space: Space): void {
    execFileSync('ip', ['netns', 'delete', this.netns(space)]);
    this.made.delete(this.netns(space));
  }

  close(): void {
    for (const name of this.made) execFileSync('ip', ['netns', 'delete', name]);
  }

  exec(space: Space, argv: readonly string[], input = ''): string {
    return execFileSync('nsenter', [`--net=/run/netns/${this.netns(space)}`, ...argv], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  }

  apply(batches: readonly Batch[]): void {
    const argv: Record<Exclude<Tool, 'netns' | 'sysctl'>, string[]> = {
      ip: ['ip', '-batch', '-'],
      bridge: ['bridge', '-batch', '-'],
      'iptables-restore': [`${this.backend}-restore`, '--noflush', '--wait'],
      ipvsadm: ['ipvsadm', '-R'],
    };
    for (const { tool, space, text } of batches) {
      if (tool === 'sysctl') this.exec(space, ['sysctl', '-q', '-p', '-'], text);
      else if (tool !== 'netns') this.exec(space, argv[tool], text);
      else
        for (const line of text.trim().split('\n')) {
          const [action, name = ''] = line.split(' ');
          if (action === 'add') this.addNamespace(`own:${name}`);
          else this.removeNamespace(`own:${name}`);
        }
    }
  }

  observe(): ObservedState {
    const objects: ObservedObject[] = [];
    const halves: VethHalf[] = [];
    const foreign: { space: Space; text: string }[] = [];
    const spaces = [...this.made].map((name) => name.slice(this.prefix.length + 1).replace('-', ':') as Space);
    for (const space of spaces) {
      const links = scanLinks(space, this.exec(space, ['ip', '-j', '-d', 'addr', 'show']));
      halves.push(...links.halves);
      const names = sysctlNames(space).filter((name) => !name.includes('.vs.'));
      const scans = [
        links,
        scanRoutes(space, this.exec(space, ['ip', '-j', '-4', 'route', 'show'])),
        scanNeighbours(space, this.exec(space, ['ip', '-j', '-4', 'neigh', 'show', 'nud', 'permanent'])),
        scanFdb(space, this.exec(space, ['bridge', '-j', 'fdb', 'show'])),
        scanIptablesSave(space, this.exec(space, [`${this.backend}-save`])),
        ...(names.length === 0 ? [] : [scanSysctls(space, this.exec(space, ['sysctl', '-e', ...names]))]),
      ];
      for (const scan of scans) {
        objects.push(...scan.objects);
        foreign.push(...scan.foreign.map((text) => ({ space, text })));
      }
    }
    const endpoints = Object.fromEntries(
      Object.keys(this.state.endpoints).map((id) => [id, this.made.has(this.netns(`endpoint:${id}`)) ? 'present' : 'absent'] as const),
    );
    return observedState([...objects, ...joinVeths(halves)], endpoints, foreign);
  }

  /** Applies the state and gives the steps that it took. */
  converge(state: NodeState): string[] {
    const plan = diffNodeState(this.observe(), state);
    this.apply(renderPlan(plan, state, this.layout));
    return plan.steps.map((step) => `${step.action} ${step.action === 'delete' ? step.observed.key : step.object.key}`);
  }
}

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
          ? { ...e, on: { ...e.on, bjdt_overlay: '10.0.0.21' } }
          : e.name === 'dzwl-1'
            ? { ...e, on: { ...e.on, bjdt_overlay: '10.0.0.31' } }
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
    host.converge(state);
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
