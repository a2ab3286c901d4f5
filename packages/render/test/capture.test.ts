import { readFileSync } from 'node:fs';
import { computeNodeState } from '@portolan/compute';
import type { Protocol } from '@portolan/model';
import { type NodeState, observedState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import { type ClusterSketch, snapshotOf } from '../../compute/test/snapshots.js';
import { type Batch, renderPlan, scanIptablesSave, scanIpvsadm, scanSysctls, type Tool } from '../src/index.js';
import { layout, present } from './layout.js';

/**
 * The intent of a real Swarm of three nodes, and what Docker 20.10 made of it, beside what we make of it: an internal
 * service `api` with three endpoints, and `web` with two, published on 8000. What differs, and why:
 *
 * - marks: Swarm counts them on each node by itself, ours are the cluster's; they are compared by what they are for
 * - comments: only ours say whose a rule is
 * - the resolver's rules: load balancers need none, the ports in endpoints are Docker's choice
 * - timeouts of IPVS and the source check: Swarm leaves them as they are
 * - names of links in endpoints, of ports of br0, of the host's bridge
 * - chains on the host and in endpoints: ours are our own, so that other programs' rules stay theirs
 * - order within a chain: Swarm's is that of arrival, ours is canonical
 */
function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/swarm/${name}`, import.meta.url), 'utf8');
}

interface SwarmService {
  readonly ID: string;
  readonly Spec: { readonly Name: string };
  readonly Endpoint: {
    readonly VirtualIPs: readonly { readonly NetworkID: string; readonly Addr: string }[];
    readonly Ports?: readonly { readonly Protocol: Protocol; readonly TargetPort: number; readonly PublishedPort: number }[];
  };
}
interface SwarmTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly NodeID: string;
  readonly NetworksAttachments: readonly { readonly Network: { readonly ID: string }; readonly Addresses: readonly string[] }[];
}

const networks = { urw018v8vm39cqnbyurhjkpca: 'ingress', mou30nzwnsp30kftxmbcapqw9: 'bjdt_overlay' } as const;
const nodes = { xkphy0pdrmfwnlms5hwzb3j0a: 'node1', '7q0kj82n5aavckbxrve9ubz7h': 'node2', th4tl3nbtog7y5vb5mfgx9zhp: 'node3' } as const;
const bare = (address = '') => address.split('/')[0] ?? '';
const networkName = (id: string) => networks[id as keyof typeof networks];

function sketchOf(services: readonly SwarmService[], tasks: readonly SwarmTask[]): ClusterSketch {
  let mark = 255;
  return {
    settings: { gatewaySubnet: '172.18.0.0/16' },
    nodes: [
      { name: 'node1', id: 'xkphy0pdrmfwnlms5hwzb3j0a', address: '172.16.130.140', on: { ingress: '10.0.0.2', bjdt_overlay: '10.0.1.8' } },
      { name: 'node2', id: '7q0kj82n5aavckbxrve9ubz7h', address: '172.16.130.164', on: { ingress: '10.0.0.3', bjdt_overlay: '10.0.1.6' } },
      { name: 'node3', id: 'th4tl3nbtog7y5vb5mfgx9zhp', address: '172.16.130.170', on: { ingress: '10.0.0.4', bjdt_overlay: '10.0.1.7' } },
    ],
    networks: [
      { name: 'ingress', id: 'urw018v8vm39cqnbyurhjkpca', ingress: true, vni: 4096, subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
      { name: 'bjdt_overlay', id: 'mou30nzwnsp30kftxmbcapqw9', vni: 4097, subnet: '10.0.1.0/24', gateway: '10.0.1.1' },
    ],
    services: services.map(({ ID, Spec, Endpoint }) => ({
      name: Spec.Name,
      id: ID,
      on: Object.fromEntries(
        Endpoint.VirtualIPs.map(({ NetworkID, Addr }) => {
          mark += 1;
          return [networkName(NetworkID), [bare(Addr), mark] as const];
        }),
      ),
      ports: (Endpoint.Ports ?? []).map(({ Protocol, PublishedPort, TargetPort }) => ({ protocol: Protocol, published: PublishedPort, target: TargetPort })),
    })),
    endpoints: tasks.map(({ ID, ServiceID, NodeID, NetworksAttachments }) => ({
      name: ID,
      id: ID,
      service: '',
      node: '',
      serviceId: ServiceID,
      nodeId: NodeID,
      on: Object.fromEntries(NetworksAttachments.map(({ Network, Addresses }) => [networkName(Network.ID), bare(Addresses[0])])),
    })),
  };
}

const snapshot = snapshotOf(sketchOf(JSON.parse(fixture('services.json')) as SwarmService[], JSON.parse(fixture('tasks.json')) as SwarmTask[]));

function made(nodeId: string): { state: NodeState; text: (tool: Tool, space: string) => string[] } {
  const state = computeNodeState(snapshot, nodeId);
  const batches: Batch[] = renderPlan(diffNodeState(observedState([], present(state), []), state), state, layout);
  const text = (tool: Tool, space: string) => batches.flatMap((batch) => (batch.tool === tool && batch.space === space ? batch.text.split('\n') : []));
  return { state, text };
}

/** Lines of one section of a dump, `# iptables` for example. */
function section(dump: string, name: string): string[] {
  const lines = dump.split('\n');
  const start = lines.indexOf(`# ${name}`);
  const names = ['addr', 'route', 'neigh', 'fdb', 'iptables', 'ipvs', 'sysctl'];
  const end = lines.findIndex((line, i) => i > start && names.some((n) => line === `# ${n}`));
  return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim());
}

/** Rules as `TABLE RULE`, without comments and without those of a resolver. */
function rules(lines: readonly string[]): string[] {
  return allRules(lines).filter((rule) => !rule.includes('DOCKER_') && !rule.includes('127.0.0.11') && !/-A (OUTPUT|POSTROUTING) .*-j PORTOLAN/.test(rule));
}

function allRules(lines: readonly string[]): string[] {
  let table = '';
  const found: string[] = [];
  for (const line of lines) {
    if (line.startsWith('*')) table = line.slice(1);
    if (line.startsWith('-A ')) found.push(`${table} ${line.replace(/ -m comment --comment "[^"]*"/, '')}`);
  }
  return found;
}

/** Replaces each mark by the VIP that gets it in mangle INPUT. */
function byVip(lines: readonly string[]): string[] {
  const vips = new Map<string, string>();
  for (const line of lines) {
    const [, vip, mark = ''] = /-A INPUT -d ([0-9.]+)\/32 .*--set-xmark 0x([0-9a-f]+)/.exec(line) ?? [];
    if (vip !== undefined) vips.set(String(Number.parseInt(mark, 16)), vip);
  }
  const named = (mark: string) => `<mark of ${vips.get(mark) ?? mark}>`;
  return lines
    .map((line) =>
      line
        .replace(/0x([0-9a-f]+)\/0xffffffff/, (_, mark: string) => named(String(Number.parseInt(mark, 16))))
        .replace(/-f ([0-9]+)/, (_, mark: string) => `-f ${named(mark)}`),
    )
    .sort();
}

function dumpedAddresses(dump: string): string[] {
  return section(dump, 'addr')
    .flatMap((line) => /^inet (\S+) (?:brd \S+ )?scope global (\S+)$/.exec(line)?.slice(1, 3).join(' ') ?? [])
    .sort();
}

function dumpedPeers(lines: readonly string[], pattern: RegExp): string[] {
  return lines.flatMap((line) => pattern.exec(line)?.slice(1).join(' ') ?? []).sort();
}

describe.each(Object.entries(nodes))('node %s (%s)', (nodeId, node) => {
  const { text } = made(nodeId);
  const addresses = (space: string) =>
    text('ip', space).flatMap((line) => /^address replace (\S+) (?:broadcast \+ )?dev (\S+)$/.exec(line)?.slice(1).join(' ') ?? []);

  describe.each(['lb_mou30nzwn', 'ingress_sbox'])('%s', (name) => {
    const dump = fixture(`${node}.ns.${name}.txt`);
    const space = `own:${name}`;

    it('has the same marks, servers and source rewrite', () => {
      const servers = text('ipvsadm', space).filter((line) => line !== '');
      expect(servers[0]).toBe('--set 7800 120 300');
      const ours = byVip([...rules(text('iptables-restore', space)), ...servers.slice(1)]);
      expect(ours).toEqual(byVip([...rules(section(dump, 'iptables')), ...section(dump, 'ipvs').filter((line) => line !== '')]));
      expect(ours.length).toBeGreaterThan(5);
    });

    it('has the same addresses and MACs', () => {
      expect(addresses(space).sort()).toEqual(dumpedAddresses(dump));
      const macs = section(dump, 'addr').flatMap((line) => /^link\/ether (\S+)/.exec(line)?.slice(1) ?? []);
      for (const mac of macs) expect(text('ip', 'host').join('\n')).toContain(`address ${mac} netns /run/netns/${name}`);
      expect(macs.length).toBeGreaterThan(0);
    });

    it('has the same sysctls, and the same default route', () => {
      const theirs = new Set(section(dump, 'sysctl'));
      const ours = text('sysctl', space).filter((line) => line !== '' && !/^net\.ipv4\.conf\.eth[01]\.rp_filter = 2$/.test(line));
      expect(ours.filter((line) => !theirs.has(line))).toEqual([]);
      expect(ours).toHaveLength(5);
      const routes = (lines: readonly string[]) => lines.flatMap((line) => /^(?:route replace )?(default via \S+ dev \S+)/.exec(line)?.slice(1) ?? []);
      expect(routes(text('ip', space))).toEqual(routes(section(dump, 'route')));
    });
  });

  describe.each(['1-mou30nzwns', '1-urw018v8vm'])('%s', (name) => {
    const dump = fixture(`${node}.ns.${name}.txt`);
    const space = `own:${name}`;

    it('has the same neighbours and forwarding entries', () => {
      const neighbours = dumpedPeers(text('ip', space), /^neighbour replace (\S+) lladdr (\S+) dev vxlan0 nud permanent$/);
      expect(neighbours).toEqual(dumpedPeers(section(dump, 'neigh'), /^(\S+) dev vxlan0 lladdr (\S+) PERMANENT$/));
      const fdb = dumpedPeers(text('bridge', space), /^fdb replace (\S+) dev vxlan0 dst (\S+) self permanent$/);
      expect(fdb).toEqual(dumpedPeers(section(dump, 'fdb'), /^(\S+) dev vxlan0 dst (\S+) .*self permanent$/));
      expect(fdb.length).toBeGreaterThan(2);
    });

    it('has the same bridge, VTEP and number of ports', () => {
      const theirs = section(dump, 'addr');
      expect(addresses(space)).toEqual(dumpedAddresses(dump));
      const [, vni, port] = /^vxlan id (\d+) .*dstport (\d+) proxy l2miss l3miss /m.exec(theirs.join('\n')) ?? [];
      expect(text('ip', 'host')).toContain(
        `link add name vxlan0 mtu 1450 netns /run/netns/${name} type vxlan id ${vni} dstport ${port} learning proxy l2miss l3miss`,
      );
      const mtus = theirs.flatMap((line) => /^\d+: (?:br0|vxlan0|veth\d+)\S*: .* mtu (\d+)/.exec(line)?.slice(1) ?? []);
      expect(new Set(mtus)).toEqual(new Set(['1450']));
      const ports = text('ip', 'host').filter((line) => line.startsWith('link add name veth') && line.includes(` netns /run/netns/${name} `));
      expect(ports.length).toBe(mtus.length - 2);
    });
  });
});

describe('node1', () => {
  const { text } = made('xkphy0pdrmfwnlms5hwzb3j0a');

  it('an endpoint that is published has the same rules, in chains of our own', () => {
    const ours = rules(text('iptables-restore', 'endpoint:sw7bjhl013lsn2ucb2n56qpdt'));
    const chains = { 'PORTOLAN-INGRESS': 'PREROUTING', 'PORTOLAN-INPUT': 'INPUT', 'PORTOLAN-OUTPUT': 'OUTPUT' };
    const named = ours.map((rule) => Object.entries(chains).reduce((r, [chain, builtIn]) => r.replace(`-A ${chain} `, `-A ${builtIn} `), rule));
    expect(named).toEqual(rules(section(fixture('node1.ns.399ae6370db7.txt'), 'iptables')));
  });

  it('an endpoint asks a name server at the same place, by the same rules', () => {
    const space = 'endpoint:sw7bjhl013lsn2ucb2n56qpdt';
    const ofResolver = (lines: readonly string[], names: Readonly<Record<string, string>>) =>
      allRules(lines)
        .filter((rule) => rule.includes('127.0.0.11') && !rule.includes('-j DOCKER_'))
        .map((rule) => Object.entries(names).reduce((r, [name, common]) => r.replace(`-A ${name} `, `-A ${common} `), rule))
        .map((rule) => rule.replace(/(--sport |127\.0\.0\.11:)[0-9]+/, '$1<port>'))
        .sort();
    const ours = ofResolver(text('iptables-restore', space), { 'PORTOLAN-OUTPUT': 'OUTPUT', 'PORTOLAN-POSTROUTING': 'POSTROUTING' });
    const dump = section(fixture('node1.ns.399ae6370db7.txt'), 'iptables');
    expect(ours).toEqual(ofResolver(dump, { DOCKER_OUTPUT: 'OUTPUT', DOCKER_POSTROUTING: 'POSTROUTING' }));
    expect(ours).toHaveLength(4);
  });

  it('the host has the same way to the sandbox; its filter lets in what is for the sandbox only', () => {
    const ours = rules(text('iptables-restore', 'host'));
    const theirs = rules(section(fixture('node1.host.txt'), 'iptables'));
    const translated = ours.map((rule) =>
      rule
        .replaceAll('ptl_gwbridge', 'docker_gwbridge')
        .replace('PORTOLAN-INGRESS', 'DOCKER-INGRESS')
        .replace('PORTOLAN-POSTROUTING', 'POSTROUTING')
        .replace('PORTOLAN-FORWARD', 'FORWARD'),
    );
    expect(translated.filter((rule) => theirs.includes(rule))).toEqual([
      'nat -A DOCKER-INGRESS -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.18.0.2:8000',
      'nat -A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE',
      'nat -A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE',
      'filter -A FORWARD -o docker_gwbridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'filter -A FORWARD -i docker_gwbridge ! -o docker_gwbridge -j ACCEPT',
    ]);
    // Swarm's accept names no address, so it lets transit traffic to that port through too; and where frames from port to port
    // of the bridge are seen by no rule, the way back from one to another is by a masquerade.
    expect(translated.filter((rule) => !theirs.includes(rule))).toEqual([
      'nat -A POSTROUTING -s 172.18.0.0/16 -o docker_gwbridge -m conntrack --ctstate DNAT -j MASQUERADE',
      'filter -A FORWARD -d 172.18.0.2/32 -p tcp -m tcp --dport 8000 -m conntrack --ctstate DNAT -j ACCEPT',
      'filter -A FORWARD -s 172.18.0.2/32 -p tcp -m tcp --sport 8000 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'filter -A FORWARD -o docker_gwbridge -j DROP',
    ]);
  });
});

describe('scanners on what Docker made', () => {
  const dump = fixture('node1.ns.lb_mou30nzwn.txt');

  it('read the IPVS of a Swarm as ours would be', () => {
    const { objects, foreign } = scanIpvsadm('own:lb_mou30nzwn', section(dump, 'ipvs').join('\n'));
    expect(foreign).toEqual([]);
    expect(objects.map(({ key }) => key)).toEqual([
      'virtual-server/own:lb_mou30nzwn/256',
      'real-server/own:lb_mou30nzwn/256/10.0.1.10',
      'real-server/own:lb_mou30nzwn/256/10.0.1.11',
      'virtual-server/own:lb_mou30nzwn/258',
      'real-server/own:lb_mou30nzwn/258/10.0.1.3',
      'real-server/own:lb_mou30nzwn/258/10.0.1.4',
      'real-server/own:lb_mou30nzwn/258/10.0.1.5',
    ]);
  });

  it('take none of its rules for ours: foreign in a namespace of our own, unseen on a host', () => {
    const saved = section(dump, 'iptables').join('\n');
    expect(scanIptablesSave('own:lb_mou30nzwn', saved)).toMatchObject({ objects: [], foreign: { length: 9 } });
    expect(scanIptablesSave('host', section(fixture('node1.host.txt'), 'iptables').join('\n'))).toEqual({ objects: [], foreign: [] });
  });

  it('read sysctls', () => {
    const { objects } = scanSysctls('own:lb_mou30nzwn', section(dump, 'sysctl').join('\n'));
    expect(objects.find(({ key }) => key === 'sysctl/own:lb_mou30nzwn/net.ipv4.vs.conntrack')?.body).toEqual({
      kind: 'sysctl',
      name: 'net.ipv4.vs.conntrack',
      value: '1',
    });
  });
});
