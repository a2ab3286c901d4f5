import type { Id, Ipv4 } from '@portolan/model';
import type { NodeState, Space, Watch } from '@portolan/node-state';
import type { Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import { type ProbeOutcome, probeOutcome } from './ask.js';
import { watchConnections } from './connections.js';
import type { Dial } from './dial.js';
import { hostAnswer, watchHosts } from './hosts.js';
import { watchProbes } from './probes.js';

/** What an agent looks through, besides its kernel. */
export interface Sight {
  readonly dial: Dial;
  /** Established connections that were accepted in the namespace at a path. Throws when it cannot be entered. */
  readonly establishedConnections: (path: string) => number;
  /** MTU of the interface of this host with that address; undefined without one. */
  readonly underlayMtu: (address: Ipv4) => number | undefined;
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
}

export interface NodeWatch {
  /** Watches what this state asks for, and nothing else. */
  follow(watch: Watch): void;
  /** Reads the MTU of the underlay, now and every other second. */
  measure(address: NodeState['address']): void;
  /** Namespaces that went or were replaced. */
  lost(endpoints: readonly Id[]): void;
  signals(): Signals;
  stop(): void;
}

/** Milliseconds. A host that is gone is known as such after two questions. */
const HOSTS_EVERY = 1_000;
const HOST_TIMEOUT = 900;
const CONNECTIONS_EVERY = 250;
const MTU_EVERY = 2_000;

/** Everything that an agent sees besides its kernel, as signals. No process is started for any of it. */
export function watchNode({ sight, clock, pathOf, isAbsent, onOutcome, onChange }: NodeWatchOptions): NodeWatch {
  let mtu: number | undefined;
  let cancelMeasure: () => void = () => undefined;
  function measure(address: NodeState['address']): void {
    cancelMeasure();
    const before = mtu;
    mtu = sight.underlayMtu(address);
    if (mtu !== before) onChange(false);
    cancelMeasure = clock.after(MTU_EVERY, () => measure(address));
  }
  const probes = watchProbes({
    clock,
    ask: (probe) => probeOutcome(probe, (space) => (space === 'host' ? undefined : pathOf(space)), sight.dial, clock),
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
    follow: (watch) => {
      probes.follow(watch.probes);
      hosts.follow(watch.nodes);
      connections.follow(watch.draining);
    },
    measure,
    lost: (endpoints) => {
      for (const id of endpoints) probes.lost(id);
    },
    signals: () => ({
      health: probes.health(),
      reachable: hosts.reachable(),
      connections: connections.connections(),
      ...(mtu === undefined ? {} : { underlayMtu: mtu }),
    }),
    stop: () => {
      cancelMeasure();
      probes.stop();
      hosts.stop();
      connections.stop();
    },
  };
}
