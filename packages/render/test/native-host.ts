import { execFileSync, spawnSync } from 'node:child_process';
import {
  type NodeState,
  type ObjectBody,
  type ObservedObject,
  type ObservedState,
  observedObject,
  observedState,
  type Space,
  sysctlNamesOf,
} from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import {
  type Batch,
  joinVeths,
  type Layout,
  renderPlan,
  scanFdb,
  scanIptablesSave,
  scanLinks,
  scanNeighbours,
  scanRouteRules,
  scanRoutes,
  scanSysctls,
  type Tool,
  type VethHalf,
} from '../src/index.js';

const isRoot = process.getuid?.() === 0;
export const backends = isRoot ? ['iptables-nft', 'iptables-legacy'].filter(isUsable) : [];

/** Whether this machine has the program, and this kernel its tables; asked in a namespace that goes at once. */
function isUsable(backend: string): boolean {
  return spawnSync('unshare', ['--net', backend, '--table', 'nat', '--list-rules']).status === 0;
}

let run = 0;

/** A host and its endpoints, as namespaces of this kernel. */
export class NativeHost {
  private readonly prefix = `ptlr${process.pid}${run++}`;
  private readonly made = new Set<string>();
  /** Of the name server, the relay and the files, which are no part of a kernel. */
  readonly told = new Map<string, ObservedObject>();
  readonly layout: Layout = { pathOf: (space) => this.pathOf(space) };

  constructor(
    readonly state: NodeState,
    readonly backend: string,
  ) {
    for (const space of ['host' as const, ...Object.keys(state.endpoints).map((id): Space => `endpoint:${id}`)]) this.addNamespace(space);
  }

  private netns(space: Space): string {
    return `${this.prefix}-${space.replace(':', '-')}`;
  }

  pathOf(space: Space): string {
    return `/run/netns/${this.netns(space)}`;
  }

  addNamespace(space: Space): void {
    execFileSync('ip', ['netns', 'add', this.netns(space)]);
    // A new namespace takes it over from the machine's own; what this one is to have must not be there already.
    execFileSync('ip', ['netns', 'exec', this.netns(space), 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0']);
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
    return execFileSync('nsenter', [`--net=${this.pathOf(space)}`, ...argv], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  }

  apply(batches: readonly Batch[]): void {
    const argv: Record<Exclude<Tool, 'netns' | 'sysctl' | 'dns' | 'relay' | 'file'>, string[]> = {
      conntrack: ['bash', '-c', 'conntrack --load-file <(cat)'],
      ip: ['ip', '-batch', '-'],
      bridge: ['bridge', '-batch', '-'],
      'iptables-restore': [`${this.backend}-restore`, '--noflush', '--wait'],
      ipvsadm: ['ipvsadm', '-R'],
    };
    for (const { tool, space, text } of batches) {
      if (tool === 'sysctl') this.exec(space, ['sysctl', '-q', '-p', '-'], text);
      else if (tool === 'dns' || tool === 'relay' || tool === 'file') this.tell(text);
      else if (tool !== 'netns') this.exec(space, argv[tool], text);
      else
        for (const line of text.trim().split('\n')) {
          const [action, name = ''] = line.split(' ');
          if (action === 'add') this.addNamespace(`own:${name}`);
          else this.removeNamespace(`own:${name}`);
        }
    }
  }

  private tell(text: string): void {
    for (const line of text.trim().split('\n')) {
      const [, action, key = '', json] = /^(set|delete) (\S+) ?(.*)$/.exec(line) ?? [];
      const space = key.split('/')[1] as Space;
      if (action === 'set') this.told.set(key, observedObject(space, JSON.parse(json ?? '') as ObjectBody));
      else if (!this.told.delete(key)) throw new Error(`no such object: ${line}`);
    }
  }

  observe(): ObservedState {
    const objects: ObservedObject[] = [...this.told.values()];
    const halves: VethHalf[] = [];
    const foreign: { space: Space; text: string }[] = [];
    const spaces = [...this.made].map((name) => name.slice(this.prefix.length + 1).replace('-', ':') as Space);
    for (const space of spaces) {
      const own = space.startsWith('own:');
      const shows = ['addr show', 'route show table all', 'rule show', ...(own || space === 'host' ? ['neigh show nud permanent'] : [])];
      const [addresses = '', routes = '', rules = '', neighbours = ''] = this.exec(space, ['ip', '-j', '-d', '-batch', '-'], `${shows.join('\n')}\n`).split(
        '\n',
      );
      const links = scanLinks(space, addresses);
      halves.push(...links.halves);
      const sysctls = sysctlNamesOf(this.state).get(space) ?? [];
      const scans = [
        links,
        scanRoutes(space, routes),
        scanRouteRules(space, rules),
        scanNeighbours(space, neighbours, links.vteps),
        ...(own ? [scanFdb(space, this.exec(space, ['bridge', '-j', 'fdb', 'show']))] : []),
        ...links.vteps.map((name) => scanFdb(space, this.exec(space, ['bridge', '-j', 'fdb', 'show', 'dev', name]), name)),
        scanIptablesSave(space, this.exec(space, [`${this.backend}-save`])),
        ...(sysctls.length === 0 ? [] : [scanSysctls(space, this.exec(space, ['sysctl', '-e', ...sysctls]))]),
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
