import { type Id, type Snapshot, subnetsOf } from '@portolan/model';
import type { IntentStore } from '@portolan/store';
import { openMemoryFlannelRegistry, openMemoryStore } from '@portolan/store/memory';
import { seededIds } from '@portolan/testkit';
import { pino } from 'pino';
import type { Log } from '../../apps/control-plane/src/application/context.js';
import { Chance } from './chance.js';
import { SimulatedEtcd } from './etcd.js';
import { type FaultKind, Faults } from './faults.js';
import { SimulatedHints } from './hints.js';
import { SimulatedHost } from './host.js';
import { SimulatedNetwork } from './network.js';
import { SimulatedPlane } from './plane.js';
import type { Planted } from './planted.js';
import { VirtualTime } from './time.js';
import { Trace } from './trace.js';
import { Truth } from './truth.js';

/** 2027-01-15T08:00:00Z. */
const EPOCH = 1_800_000_000_000;

export interface WorldOptions {
  readonly seed: number;
  readonly faults: ReadonlySet<FaultKind>;
  readonly planted?: Planted | undefined;
  /** Each line of the trace as it comes, with those that the processes log. */
  readonly echo?: ((line: string) => void) | undefined;
}

/** Hosts, control planes and servers of one seed, under one clock. */
export class World {
  readonly cluster = 'lab';
  readonly chance: Chance;
  readonly time: VirtualTime;
  readonly faults: Faults;
  readonly truth = new Truth();
  readonly planted: Planted;
  readonly store: IntentStore;
  readonly registry = openMemoryFlannelRegistry();
  readonly etcd: SimulatedEtcd;
  readonly hints: SimulatedHints;
  readonly network: SimulatedNetwork;
  readonly hosts: readonly SimulatedHost[];
  readonly planes: readonly SimulatedPlane[];
  readonly newId: () => Id;
  readonly hasFlannel: boolean;
  /** `NETWORK ADDRESS` of what is, or was, a VIP and has become nothing else. */
  readonly vips = new Set<string>();
  isStoreDown = false;
  /** Containers that will be there later. */
  comingContainers = 0;
  #newest: Snapshot | undefined;
  readonly #echo: ((line: string) => void) | undefined;

  constructor({ seed, faults, planted = {}, echo }: WorldOptions) {
    this.chance = new Chance(seed);
    this.#echo = echo;
    this.time = new VirtualTime(new Trace(echo));
    this.faults = new Faults(this.chance.fork(), faults, this.chance.between(0.2, 1.5));
    this.planted = planted;
    this.newId = seededIds(seed);
    this.store = openMemoryStore({ now: () => new Date(this.today()), newId: this.newId });
    this.hasFlannel = this.chance.happens(0.25);
    this.etcd = new SimulatedEtcd(this);
    this.hints = new SimulatedHints(this);
    this.network = new SimulatedNetwork(this);
    const hosts = this.chance.oneOf(2, 2, 2, 2, 3, 3, 4);
    this.hosts = Array.from({ length: hosts }, (_, i) => new SimulatedHost(this, `node${i + 1}`, `172.16.130.${i + 1}`));
    const planes = this.chance.happens(0.3) ? 2 : 1;
    this.planes = Array.from({ length: planes }, (_, i) => new SimulatedPlane(this, `plane${i + 1}`));
  }

  /** The right time of day, in milliseconds since 1970. */
  today(): number {
    return EPOCH + Math.round(this.time.now);
  }

  /** A line of the trace for what the world itself does. */
  note(text: string): void {
    this.time.trace.add(this.time.now, `-- ${text}`);
  }

  logOf(name: string): Log {
    const echo = this.#echo;
    if (echo === undefined) return silent;
    return pino({ level: 'debug', base: { name }, timestamp: false }, { write: (line) => echo(`    ${line.trimEnd()}`) });
  }

  /** The newest snapshot, as nobody in the world may see it. */
  get newest(): Snapshot | undefined {
    return this.#newest;
  }

  nodeIdOf(name: string): Id | undefined {
    return [...(this.#newest?.nodes.values() ?? [])].find((node) => node.name === name)?.id;
  }

  /** Whether a container answers at an address. */
  isServed(address: string): boolean {
    const snapshot = this.#newest;
    const endpoint = [...(snapshot?.endpoints.values() ?? [])].find(({ addresses }) => addresses.some((held) => held.address === address));
    if (snapshot === undefined || endpoint === undefined) return false;
    const name = snapshot.nodes.get(endpoint.nodeId)?.name;
    return this.hosts.some((host) => host.name === name && !host.absent.has(endpoint.id));
  }

  committed(before: Snapshot, after: Snapshot): void {
    this.#newest = after;
    this.time.trace.add(this.time.now, `-- revision ${after.cluster.revision}`);
    const networkName = (id: Id): string => after.networks.get(id)?.name ?? id;
    for (const { networks } of after.services.values()) {
      for (const { networkId, address } of networks) if (address !== null) this.vips.add(`${networkName(networkId)} ${address}`);
    }
    for (const held of [...after.endpoints.values()].flatMap(({ addresses }) => addresses)) this.vips.delete(`${networkName(held.networkId)} ${held.address}`);
    for (const network of after.networks.values()) for (const { gateway } of subnetsOf(network)) this.vips.delete(`${network.name} ${gateway}`);
    for (const endpoint of after.endpoints.values()) {
      if (before.endpoints.has(endpoint.id)) continue;
      this.#placeContainer(after, endpoint.id);
    }
  }

  /** A new endpoint may have its container already; else it comes later. */
  #placeContainer({ endpoints, nodes }: Snapshot, id: Id): void {
    const host = this.hosts.find(({ name }) => name === nodes.get(endpoints.get(id)?.nodeId ?? '')?.name);
    if (host === undefined || this.chance.happens(0.5)) return;
    host.setPresence(id, 'absent');
    this.containerComes(host, id, this.chance.between(50, 6000));
  }

  containerComes(host: SimulatedHost, id: Id, milliseconds: number): void {
    this.comingContainers += 1;
    this.time.after(milliseconds, `${host.name} has the container of ${id} now`, () => {
      this.comingContainers -= 1;
      host.setPresence(id, 'present');
    });
  }
}

const silent: Log = pino({ level: 'silent' });
