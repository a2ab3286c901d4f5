import type { ServerCounters } from '@portolan/kernel';
import { PortolanError } from '@portolan/model';
import type { NodeState, Space } from '@portolan/node-state';
import type { ServerTraffic, TrafficReading } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';

/** delivered; unchanged: not sent; failed: no answer; refused: the control plane does not take readings, or not this one. */
export type TrafficOutcome = 'delivered' | 'unchanged' | 'failed' | 'refused';

export type BalancingSpace = Exclude<Space, 'host'>;

export interface TrafficOptions {
  /** What is wanted on this node; undefined as long as nothing is. */
  readonly state: () => Pick<NodeState, 'objects'> | undefined;
  /** What IPVS has counted in a namespace. Throws when it is gone, or when its table changes meanwhile. */
  readonly read: (space: BalancingSpace) => readonly ServerCounters[];
  readonly send: (reading: TrafficReading) => Promise<void>;
  /** Version of the protocol that the control plane speaks. */
  readonly protocol: () => number;
  /** A run is at work: it goes first. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds between two readings. */
  readonly every: number;
  readonly onOutcome: (outcome: TrafficOutcome) => void;
}

/** Control planes know of readings since this version. */
const FIRST_PROTOCOL = 4;
/** Milliseconds until it is looked again whether the run that is at work has ended. */
const BUSY = 500;
/** Readings between two that are sent although nothing has changed: they tell that the numbers are still so. */
const REPEATS = 6;
/** So many times as long it rests when the control plane does not take readings. */
const REFUSED = 6;
/** Reading takes at most this part of the time, however many virtual servers there are. */
const SHARE = 1 / 50;
/** A reading has at most so many real servers: see the schema. Those with the most connections are told. */
const MOST_SERVERS = 65_536;

const spacesByState = new WeakMap<object, readonly BalancingSpace[]>();

/** Namespaces of the node that have virtual servers. */
function balancingSpaces(state: Pick<NodeState, 'objects'> | undefined): readonly BalancingSpace[] {
  if (state === undefined) return [];
  const known = spacesByState.get(state.objects);
  if (known !== undefined) return known;
  const spaces = new Set<BalancingSpace>();
  for (const { space, body } of state.objects) if (body.kind === 'virtual-server' && space !== 'host') spaces.add(space);
  spacesByState.set(state.objects, [...spaces]);
  return [...spaces];
}

/**
 * Reads again and again what IPVS has counted, and tells the control plane. Apart from everything else: it starts no process, waits for the run that
 * is at work, and whatever becomes of a reading, the next one says it all again. A node without virtual servers reads and says nothing. The answer
 * is the function that ends it.
 */
export function watchTraffic({ state, read, send, protocol, isBusy, clock, log, every, onOutcome }: TrafficOptions): () => Promise<void> {
  let cancel: () => void = () => undefined;
  let current: Promise<void> = Promise.resolve();
  let isStopped = false;
  /** What was delivered last, as text; undefined: nothing, so even silence is news. */
  let told: string | undefined;
  /** Readings since then that said the same. */
  let repeats = 0;
  let hasFailed = false;

  function countersIn(space: BalancingSpace): readonly ServerTraffic[] {
    // A table that changes while it is read does so once; a namespace that is gone has counted nothing.
    for (let attempts = 0; attempts < 2; attempts++) {
      try {
        return read(space)
          .filter(({ connections, active, inactive, inPackets }) => connections + active + inactive + inPackets > 0)
          .map((counters) => ({ space, ...counters }));
      } catch (error) {
        log.debug({ err: error, space }, 'what IPVS has counted cannot be read');
      }
    }
    return [];
  }

  async function deliver(servers: readonly ServerTraffic[], text: string): Promise<TrafficOutcome> {
    try {
      await send({ protocol: protocol(), at: new Date(clock.today()).toISOString(), servers: [...servers] });
      // Once more when it has stopped changing, so that a rate of before does not stay.
      repeats = told === text ? 0 : REPEATS - 1;
      told = text;
      hasFailed = false;
      return 'delivered';
    } catch (error) {
      const isRefused = error instanceof PortolanError && ['not-found', 'invalid-document', 'protocol-unsupported'].includes(error.code);
      if (!hasFailed) log.debug({ err: error }, isRefused ? 'the control plane takes no readings of traffic' : 'a reading of traffic was not delivered');
      hasFailed = true;
      return isRefused ? 'refused' : 'failed';
    }
  }

  /** The answer: milliseconds until the next look. */
  async function look(): Promise<number> {
    const spaces = balancingSpaces(state());
    if ((spaces.length === 0 && told === undefined) || protocol() < FIRST_PROTOCOL) return every;
    if (isBusy()) return BUSY;
    const begun = clock.now();
    const servers = spaces.flatMap(countersIn);
    const rest = Math.max(every, (clock.now() - begun) / SHARE);
    const most = servers.length <= MOST_SERVERS ? servers : servers.toSorted((a, b) => b.connections - a.connections).slice(0, MOST_SERVERS);
    const text = JSON.stringify(most);
    if (text === told && repeats + 1 < REPEATS) {
      repeats += 1;
      onOutcome('unchanged');
      return rest;
    }
    const outcome = await deliver(most, text);
    onOutcome(outcome);
    return outcome === 'refused' ? rest * REFUSED : rest;
  }

  function schedule(wait: number): void {
    cancel = clock.after(wait, () => {
      current = look().then((next) => {
        if (!isStopped) schedule(next);
      });
    });
  }

  // Agents that start together are spread over the time between two readings.
  schedule(every * clock.random());
  return async () => {
    isStopped = true;
    cancel();
    await current;
  };
}
