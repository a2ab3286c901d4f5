import { vtepMacOf } from '@portolan/flannel';
import { type FlannelBackend, type FlannelLease, ipv4Value, parseCidr, pathOfBackend, type Snapshot } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idOf, leaseOf, snapshotOf } from './snapshots.js';
import { bodies, stateOf, sysctls } from './states.js';

const backends: readonly FlannelBackend[] = [
  { type: 'vxlan' },
  { type: 'vxlan', directRouting: true },
  { type: 'vxlan', vni: 7, port: 4999, mtu: 1400 },
  { type: 'udp' },
  { type: 'udp', port: 9000 },
  { type: 'host-gw' },
];

/** A node, by the number of the network that it is connected to. */
interface Place {
  readonly name: string;
  readonly segment: number;
}

const addressOf = ({ name, segment }: Place): string => `172.16.${segment}.${10 + Number(name.slice(1))}`;
const subnetOf = ({ name }: Place): string => `10.244.${1 + Number(name.slice(1))}.0/24`;

function leaseBy(place: Place, backend: FlannelBackend): FlannelLease {
  const { type } = backend;
  const vni = type === 'vxlan' ? (backend.vni ?? 1) : null;
  const vtepMac = vni === null ? null : vtepMacOf(idOf(place.name), vni);
  return leaseOf(subnetOf(place), addressOf(place), { node: place.name, backendType: type, vni, vtepMac });
}

function clusterOf(
  places: readonly Place[],
  [backend, ...retiring]: readonly [FlannelBackend, ...FlannelBackend[]],
  of: (i: number) => FlannelBackend,
): Snapshot {
  return snapshotOf({
    nodes: places.map((place) => ({ name: place.name, address: addressOf(place), underlayLink: 'eth0', onLink: [`172.16.${place.segment}.0/24`], on: {} })),
    networks: [],
    services: [],
    endpoints: [],
    flannel: { network: '10.244.0.0/16', backend, retiring },
    leases: places.map((place, i) => leaseBy(place, of(i))),
  });
}

/** What a host sends to an address: the packets that leave it, as the other host must know them. */
type Sent =
  | { readonly by: 'vxlan'; readonly to: string; readonly vni: number; readonly port: number; readonly mac: string }
  | { readonly by: 'udp'; readonly to: string; readonly port: number }
  | { readonly by: 'plain'; readonly to: string };

/** As the kernel does it: the longest route, then neighbour, then forwarding entry. Undefined where it leads nowhere. */
function sentTo(state: NodeState, address: string): Sent | undefined {
  const value = ipv4Value(address) ?? -1;
  const isFor = (subnet: string): boolean => parseCidr(subnet).first <= value && value <= parseCidr(subnet).last;
  const [route] = bodies(state, 'route', 'host')
    .filter(({ destination }) => isFor(destination))
    .sort((a, b) => parseCidr(b.destination).prefixLength - parseCidr(a.destination).prefixLength);
  if (route === undefined) return undefined;
  const vtep = bodies(state, 'flannel-vtep', 'host').find(({ name }) => name === route.link);
  if (vtep !== undefined) {
    const mac = bodies(state, 'neighbour', 'host').find(({ link, address: of }) => link === route.link && of === route.via)?.mac;
    const to = bodies(state, 'fdb', 'host').find((entry) => entry.link === route.link && entry.mac === mac)?.vtep;
    return mac === undefined || to === undefined ? undefined : { by: 'vxlan', to, vni: vtep.vni, port: vtep.port, mac };
  }
  const [relay] = bodies(state, 'udp-relay', 'host');
  if (relay?.name === route.link) {
    const peer = bodies(state, 'udp-relay-peer', 'host').find(({ subnet }) => isFor(subnet));
    return peer && { by: 'udp', to: peer.host, port: relay.port };
  }
  return route.via === undefined ? undefined : { by: 'plain', to: route.via };
}

/** Whether a host takes what was sent, and has the address behind it. */
function takes(state: NodeState, sent: Sent, address: string): boolean {
  const received =
    sent.by === 'plain'
      ? state.address === sent.to
      : sent.by === 'udp'
        ? bodies(state, 'udp-relay', 'host').some(({ local, port }) => local === sent.to && port === sent.port)
        : bodies(state, 'flannel-vtep', 'host').some(
            ({ vni, port, mac, local }) => vni === sent.vni && port === sent.port && mac === sent.mac && local === sent.to,
          );
  const behind = bodies(state, 'address', 'host').some(({ link, address: gateway }) => link === 'cni0' && gateway.slice(0, -1) === address.slice(0, -1));
  return received && behind;
}

const places = fc.array(fc.nat(1), { minLength: 2, maxLength: 4 }).map((segments) => segments.map((segment, i): Place => ({ name: `n${i}`, segment })));
/** Backends of different paths, the target first. */
const held = fc
  .shuffledSubarray([...backends], { minLength: 1, maxLength: 4 })
  .map((chosen) => chosen.filter((one, i) => chosen.findIndex((other) => pathOfBackend(other) === pathOfBackend(one)) === i));

function expectReached(from: NodeState, to: NodeState, a: Place, b: Place, backend: FlannelBackend): void {
  const pod = subnetOf(b).replace('0/24', '9');
  const sent = sentTo(from, pod);
  const near = a.segment === b.segment;
  if (backend.type === 'host-gw' && !near) expect(bodies(from, 'route', 'host').map(({ destination }) => destination)).not.toContain(subnetOf(b));
  else {
    const plain = near && (backend.type === 'host-gw' || (backend.type === 'vxlan' && backend.directRouting === true));
    expect(sent?.by, `${a.name} → ${b.name}`).toBe(plain ? 'plain' : backend.type);
    expect(sent !== undefined && takes(to, sent, pod), `${JSON.stringify(sent)} to ${b.name}`).toBe(true);
  }
}

describe('whatever path each lease has', () => {
  it('every host is sent to by the path of its own lease, and takes it; every container fits into every path', () => {
    fc.assert(
      fc.property(places, held, fc.array(fc.nat(99), { minLength: 4, maxLength: 4 }), (hosts, chosen, dice) => {
        const [target, ...retiring] = chosen;
        if (target === undefined) return;
        const pathOf = (i: number) => chosen[(dice[i] ?? 0) % chosen.length] ?? target;
        const snapshot = clusterOf(hosts, [target, ...retiring], pathOf);
        const states = hosts.map(({ name }) => stateOf(snapshot, name));
        for (const [i, from] of states.entries()) {
          for (const [j, to] of states.entries()) {
            const [a, b] = [hosts[i], hosts[j]];
            if (i !== j && a !== undefined && b !== undefined) expectReached(from, to, a, b, pathOf(j));
          }
          const mtus = [...bodies(from, 'flannel-vtep', 'host'), ...bodies(from, 'udp-relay', 'host')].map(({ mtu }) => mtu);
          expect(bodies(from, 'bridge', 'host')[0]?.mtu).toBeLessThanOrEqual(Math.min(1500, ...mtus));
          const loose = sysctls(from, 'host').filter((line) => line.endsWith('.rp_filter = 2'));
          expect(loose).toHaveLength(chosen.length === 1 ? 0 : mtus.length + 1);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('while a cluster changes its backend', () => {
  const [one, other] = [fc.constantFrom(...backends), fc.constantFrom(...backends)];
  it('every host reaches every other at each moment, whoever has applied what so far', () => {
    fc.assert(
      fc.property(places, one, other, fc.nat(15), (hosts, before, after, moved) => {
        fc.pre(pathOfBackend(before) !== pathOfBackend(after));
        const isMoved = (i: number) => (moved & (1 << i)) !== 0;
        // The backend is chosen; the leases follow, of nodes that hold it; when all have, and everybody knows, the old one goes.
        const leaseAt = [() => before, () => before, (i: number) => (isMoved(i) ? after : before), () => after, () => after];
        const heldAt = [[before], [after, before], [after, before], [after, before], [after]] as const;
        const moments = heldAt.map((chosen, at) => {
          const snapshot = clusterOf(hosts, chosen, leaseAt[at] ?? (() => after));
          return hosts.map(({ name }) => stateOf(snapshot, name));
        });
        for (const [s, ofSenders] of moments.entries()) {
          for (const [t, ofReceivers] of moments.entries()) {
            for (const [i, a] of hosts.entries()) {
              for (const [j, b] of hosts.entries()) {
                const backend = leaseAt[s]?.(j) ?? after;
                const [from, to] = [ofSenders[i], ofReceivers[j]];
                if (i === j || from === undefined || to === undefined) continue;
                // A lease of the new path is written when its holder has applied the choice, the old one dropped when all know all leases.
                if ((backend === after && t === 0) || (Math.max(s, t) === 4 && Math.min(s, t) < 3)) continue;
                expectReached(from, to, a, b, backend);
              }
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
