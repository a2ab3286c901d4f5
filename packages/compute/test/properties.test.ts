import { checkSnapshot } from '@portolan/check';
import { applyManifest, observeRegistry } from '@portolan/intent';
import type { Endpoint, Node, Snapshot } from '@portolan/model';
import type { KernelObject, NodeState, ObjectBody, ObjectKind } from '@portolan/node-state';
import { emptySnapshot, manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeNodeState } from '../src/index.js';
import { leaseOf } from './snapshots.js';
import { uncached } from './states.js';

/** Interface of the hosts, which nobody of ours makes. */
const UNDERLAY = 'eth0';

const drain = { revision: 1, deadline: 0, removes: true, drained: false };
const life = fc.record({
  presence: fc.constantFrom<Endpoint['presence']>('present', 'present', 'present', 'absent', 'unknown'),
  health: fc.constantFrom<Endpoint['health']>('healthy', 'healthy', 'unhealthy', 'unknown'),
  drain: fc.constantFrom<Endpoint['drain']>(null, null, null, drain),
});
const host = fc.record({
  condition: fc.constantFrom<Node['condition']>('up', 'up', 'unknown', 'silent', 'unreachable'),
  underlayMtu: fc.constantFrom(null, 1500, 1400),
  underlayLink: fc.constantFrom<Node['underlayLink']>(UNDERLAY, UNDERLAY, null),
});
const lives = fc.array(life, { minLength: 13, maxLength: 13 });
const hosts = fc.array(host, { minLength: 4, maxLength: 4 });

function settled(manifest: Parameters<typeof applyManifest>[1]): Snapshot {
  return registered(applyManifest(emptySnapshot(), manifest, seededIds(1), { now: 0 }));
}

/** With the subnet of each node, and that of a foreign one, where there is a flannel network. */
function registered(snapshot: Snapshot): Snapshot {
  if (snapshot.flannel === null) return snapshot;
  const { backend } = snapshot.flannel;
  const of = (i: number, nodeId: string | null, address: string) => {
    const vxlan = backend.type === 'vxlan' ? { vni: backend.vni ?? 1, vtepMac: `02:00:00:00:00:0${i}` } : { vni: null };
    return leaseOf(`10.244.${i}.0/24`, address, { backendType: backend.type, nodeId, ...vxlan });
  };
  const leases = [...[...snapshot.nodes.values()].map(({ id, address }, i) => of(i + 1, id, address)), of(9, null, '172.16.200.9')];
  return observeRegistry(snapshot, new Map(leases.map((lease) => [lease.key, lease])));
}

/** The snapshot with what agents have reported of its endpoints and nodes, as after edits: what stays the same is shared. */
function reported(snapshot: Snapshot, ofEndpoints: readonly Partial<Endpoint>[], ofNodes: readonly Partial<Node>[]): Snapshot {
  return { ...snapshot, nodes: merged(snapshot.nodes, ofNodes), endpoints: merged(snapshot.endpoints, ofEndpoints) };
}

function merged<T extends object>(nouns: ReadonlyMap<string, T>, changes: readonly Partial<T>[]): ReadonlyMap<string, T> {
  return new Map([...nouns].map(([id, noun], i) => [id, changes[i] === undefined ? noun : { ...noun, ...changes[i] }]));
}

const snapshots = fc.tuple(manifestArbitrary(), lives, hosts).map(([manifest, ofEndpoints, ofNodes]) => reported(settled(manifest), ofEndpoints, ofNodes));

function ofKind<K extends ObjectKind>({ objects }: NodeState, kind: K): KernelObject<Extract<ObjectBody, { kind: K }>>[] {
  return objects.filter((object): object is KernelObject<Extract<ObjectBody, { kind: K }>> => object.body.kind === kind);
}

function states(snapshot: Snapshot): NodeState[] {
  return [...snapshot.nodes.keys()].map((id) => computeNodeState(snapshot, id));
}

/** `SPACE LINK` of every link that the state makes, and of every lo. */
function linksOf(state: NodeState): Set<string> {
  const made = (['bridge', 'vxlan', 'flannel-vtep', 'udp-relay', 'veth'] as const).flatMap((kind) => ofKind(state, kind));
  const links = made.map(({ space, body }) => `${space} ${body.name}`);
  const others = ofKind(state, 'veth').map(({ body: { peer } }) => `${peer.space} ${peer.name}`);
  return new Set([`host ${UNDERLAY}`, ...links, ...others, ...state.objects.map(({ space }) => `${space} lo`)]);
}

/** The links that an object needs beside it. */
function linksFor({ space, body }: KernelObject): string[] {
  if (body.kind === 'vxlan' || body.kind === 'veth') return body.master === undefined ? [] : [`${space} ${body.master}`];
  if (body.kind === 'udp-relay-peer') return [`${space} ${body.relay}`];
  if (body.kind === 'sysctl') {
    const [, link] = /^net\.ipv[46]\.conf\.([^.]+)\./.exec(body.name) ?? [];
    return link === undefined ? [] : [`${space} ${link.replaceAll('/', '.')}`];
  }
  return 'link' in body ? [`${space} ${body.link}`] : [];
}

/** Addresses that packets from a load balancer or an endpoint of the node get to: those on the node, and its peers. */
function reachable(state: NodeState): Set<string> {
  const local = ofKind(state, 'address').flatMap(({ body }) => (body.link === 'lo' ? [] : [body.address]));
  return new Set([...local, ...ofKind(state, 'neighbour').map(({ body }) => body.address)]);
}

describe('the states of any cluster', () => {
  it('are of sound snapshots, the same when computed from nothing, and the same when what was known before is used', () => {
    fc.assert(
      fc.property(manifestArbitrary(), lives, hosts, fc.nat(12), lives, hosts, fc.nat(3), (manifest, ofEndpoints, ofNodes, i, others, otherHosts, j) => {
        const first = reported(settled(manifest), ofEndpoints, ofNodes);
        states(first);
        // Of one endpoint or of one node something else is reported; the rest is shared.
        const one = <T>(values: readonly T[], at: number): T[] => Object.assign([], { [at]: values[at] });
        const next = i % 2 === 0 ? reported(first, one(others, i), []) : reported(first, [], one(otherHosts, j));
        expect(checkSnapshot(first).filter(({ severity }) => severity === 'block')).toEqual([]);
        expect(JSON.stringify(states(next))).toBe(JSON.stringify(states(uncached(next))));
      }),
      { numRuns: 60 },
    );
  });

  it('hold every link that something in them is on, and nothing in the namespaces of others', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const state of states(snapshot)) {
          const links = linksOf(state);
          expect(state.objects.flatMap((object) => linksFor(object).filter((link) => !links.has(link)))).toEqual([]);
          const spaces = new Set([
            'host',
            ...ofKind(state, 'namespace').map(({ space }) => space),
            ...Object.keys(state.endpoints).map((id) => `endpoint:${id}`),
          ]);
          expect(state.objects.filter(({ space }) => !spaces.has(space))).toEqual([]);
          expect(ofKind(state, 'veth').filter(({ body }) => !spaces.has(body.peer.space))).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('balance by marks that have a virtual server, to real servers that can be reached', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const state of states(snapshot)) {
          const servers = new Set(ofKind(state, 'virtual-server').map(({ space, body }) => `${space} ${body.mark}`));
          const marked = [...ofKind(state, 'real-server'), ...ofKind(state, 'mark'), ...ofKind(state, 'source-kept')];
          expect(marked.filter(({ space, body }) => !servers.has(`${space} ${body.mark}`))).toEqual([]);
          const found = reachable(state);
          expect(ofKind(state, 'real-server').filter(({ body }) => !found.has(body.address))).toEqual([]);
          // Whatever is forwarded into the sandbox is known there.
          const ports = new Set(
            ofKind(state, 'mark').flatMap(({ body: { match } }) => (match.stage === 'prerouting' ? [`${match.protocol} ${match.port}`] : [])),
          );
          const mesh = ofKind(state, 'port-forward').filter(({ body }) => body.to === '192.168.240.2');
          expect(mesh.map(({ body }) => `${body.protocol} ${body.port}`).sort()).toEqual([...ports].sort());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('name nothing that the node cannot reach, and only networks that it has', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const state of states(snapshot)) {
          const found = reachable(state);
          const named = ofKind(state, 'dns-name').flatMap(({ body }) => [...body.addresses, ...(body.own?.addresses ?? [])]);
          expect(named.filter((address) => !found.has(address))).toEqual([]);
          const asked = new Set(ofKind(state, 'dns-client').flatMap(({ body }) => body.networks));
          expect(ofKind(state, 'dns-name').filter(({ body }) => !asked.has(body.network))).toEqual([]);
          expect(ofKind(state, 'dns-name').filter(({ body }) => body.network === 'ingress')).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('send what is for a port of policy local to own endpoints only', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const local = new Map([...snapshot.services.values()].flatMap(({ id, networks }) => networks.map(({ localMark }) => [localMark, id] as const)));
        for (const state of states(snapshot)) {
          const own = Object.keys(state.endpoints).flatMap((id) => {
            const endpoint = snapshot.endpoints.get(id);
            return endpoint?.addresses.map(({ address }) => `${endpoint.serviceId} ${address}`) ?? [];
          });
          const servers = ofKind(state, 'real-server').filter(({ body }) => local.has(body.mark));
          expect(servers.map(({ body }) => `${local.get(body.mark)} ${body.address}`).filter((server) => !own.includes(server))).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('hold nothing of an endpoint that was removed, on any node', () => {
    fc.assert(
      fc.property(snapshots, fc.nat(), (snapshot, choice) => {
        const all = [...snapshot.endpoints.values()];
        const gone = all[choice % Math.max(all.length, 1)];
        if (gone === undefined) return;
        states(snapshot);
        const left = { ...snapshot, endpoints: new Map([...snapshot.endpoints].filter(([id]) => id !== gone.id)) };
        for (const state of states(left)) {
          const text = JSON.stringify(state);
          const addresses = [...gone.addresses, ...(gone.flannel === null ? [] : [gone.flannel])].flatMap(({ address }) => address ?? []);
          expect([gone.id, ...addresses].filter((trace) => text.includes(`${trace}"`))).toEqual([]);
          expect(state.objects.filter(({ origin }) => origin.endpoint === gone.name)).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });
});
