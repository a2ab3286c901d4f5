import type { ServerCounters, Underlay } from '@portolan/kernel';
import type { Id, Ipv4 } from '@portolan/model';
import type { NodeState, Space } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import type { DesiredState, Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import type { RelayCounters } from '../relay/counters.js';
import { type ProbeOutcome, probeOutcome } from './ask.js';
import { watchConnections } from './connections.js';
import { type Dial, vipAnswer } from './dial.js';
import { hostAnswer, watchHosts } from './hosts.js';
import { watchProbes } from './probes.js';
import { watchRelay } from './relay.js';
import { watchVips } from './vips.js';

/** What an agent looks through, besides its kernel. */
export interface Sight {
  readonly dial: Dial;
  /** Established connections that were accepted in the namespace at a path. Throws when it cannot be entered. */
  readonly establishedConnections: (path: string) => number;
  readonly underlay: (address: Ipv4) => Underlay;
  /** Counters of the relay of flannel's udp backend; undefined where none runs. */
  readonly relay: () => Promise<RelayCounters | undefined>;
  /** What IPVS has counted in the namespace at a path. Throws when it cannot be entered, or changes meanwhile. */
  readonly serverCounters: (path: string) => readonly ServerCounters[];
}

export interface NodeWatchOptions {
  readonly sight: Sight;
  readonly clock: Clock;
  /** Path of a namespace; throws for one that is not there. */
  readonly pathOf: (space: Exclude<Space, 'host'>) => string;
  /** Whether the namespace of an endpoint was looked for and is not there. */
  readonly isAbsent: (endpoint: Id) => boolean;
  readonly onOutcome: (outcome: ProbeOutcome) => void;
  /** Signals changed. `matters`: somebody waits for it. */
  readonly onChange: (matters: boolean) => void;
  /** Counters of the relay changed, which is all that they do. */
  readonly onCounted: () => void;
}

export interface NodeWatch {
  /** Watches what this state asks for, and nothing else. */
  follow(state: Pick<NodeState, 'watch' | 'objects'>): void;
  /** A run has carried out these steps: VIPs whose way they changed are dialled. */
  applied(desired: Pick<DesiredState, 'state' | 'revision'>, steps: readonly Step[]): void;
  /** Looks at the underlay, now and every other second. */
  measure(address: NodeState['address']): void;
  /** Name of the interface that has the node's address, or had it last. */
  underlayLink(): string | undefined;
  /** Namespaces that went or were replaced. */
  lost(endpoints: readonly Id[]): void;
  signals(): Signals;
  stop(): void;
}

/** Milliseconds. A host that is gone is known as such after two questions. */
const HOSTS_EVERY = 1_000;
const HOST_TIMEOUT = 900;
const CONNECTIONS_EVERY = 250;
const UNDERLAY_EVERY = 2_000;
const RELAY_EVERY = 10_000;
const VIP_TIMEOUT = 1_000;

/** Everything that an agent sees besides its kernel, as signals. No process is started for any of it. */
export function watchNode({ sight, clock, pathOf, isAbsent, onOutcome, onChange, onCounted }: NodeWatchOptions): NodeWatch {
  let mtu: number | undefined;
  /** An interface that is down for a moment leads nowhere else: the other hosts need not forget their ways to this one. */
  let seen: Pick<Underlay, 'link' | 'onLink'> = { link: undefined, onLink: [] };
  let measured: Ipv4 | undefined;
  let cancelMeasure: () => void = () => undefined;
  function measure(address: NodeState['address']): void {
    cancelMeasure();
    const now = sight.underlay(address);
    const before = seen;
    if (now.link !== undefined) seen = now;
    else if (measured !== address) seen = { link: undefined, onLink: [] };
    measured = address;
    const hasMoved = seen.link !== before.link || seen.onLink.join() !== before.onLink.join();
    const hasResized = now.mtu !== mtu;
    mtu = now.mtu;
    if (hasMoved || hasResized) onChange(hasMoved);
    cancelMeasure = clock.after(UNDERLAY_EVERY, () => measure(address));
  }
  const relay = watchRelay({ clock, read: sight.relay, every: RELAY_EVERY, onChange: onCounted });
  const pathTo = (space: Space): string | undefined => (space === 'host' ? undefined : pathOf(space));
  const vips = watchVips({ clock, ask: (probe) => vipAnswer(probe, pathTo, VIP_TIMEOUT, sight.dial, clock), onChange: () => onChange(true) });
  const probes = watchProbes({
    clock,
    ask: (probe) => probeOutcome(probe, pathTo, sight.dial, clock),
    onOutcome,
    onChange: () => onChange(true),
  });
  const hosts = watchHosts({
    clock,
    ask: (address) => hostAnswer(address, HOST_TIMEOUT, sight.dial, clock),
    every: HOSTS_EVERY,
    onChange: () => onChange(true),
  });
  const connections = watchConnections({
    clock,
    count: (id) => {
      // With the namespace its connections are gone.
      if (isAbsent(id)) return 0;
      try {
        return sight.establishedConnections(pathOf(`endpoint:${id}`));
      } catch {
        return undefined;
      }
    },
    every: CONNECTIONS_EVERY,
    onChange,
  });

  return {
    follow: ({ watch, objects }) => {
      probes.follow(watch.probes);
      hosts.follow(watch.nodes);
      connections.follow(watch.draining);
      vips.follow(watch.vips);
      relay.follow(objects.some(({ body }) => body.kind === 'udp-relay'));
    },
    applied: ({ state, revision }, steps) => vips.applied(state, revision, steps),
    measure,
    underlayLink: () => seen.link,
    lost: (endpoints) => {
      for (const id of endpoints) probes.lost(id);
    },
    signals: () => {
      const counters = relay.counters();
      const dialled = vips.vips();
      return {
        health: probes.health(),
        reachable: hosts.reachable(),
        connections: connections.connections(),
        ...(mtu === undefined ? {} : { underlayMtu: mtu }),
        ...(seen.link === undefined ? {} : { underlayLink: seen.link, onLink: [...seen.onLink] }),
        ...(counters === undefined ? {} : { relay: counters }),
        ...(Object.keys(dialled).length === 0 ? {} : { vips: dialled }),
      };
    },
    stop: () => {
      cancelMeasure();
      relay.stop();
      vips.stop();
      probes.stop();
      hosts.stop();
      connections.stop();
    },
  };
}
