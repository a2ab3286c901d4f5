import { portolanError } from '@portolan/model';
import type { Coordination } from '@portolan/store';
import { createMemoryCoordination } from '@portolan/store/memory';
import type { Crossing, SimulatedProcess } from './process.js';
import type { World } from './world.js';

/** Milliseconds: as `LIVENESS_TTL_SECONDS`. */
const TTL = 6_000;
const RETRY = 1_000;

/** What somebody asked etcd to go on doing. */
interface Lasting {
  readonly process: SimulatedProcess;
  readonly isCutOff: () => boolean;
  /** Begins anew, on the etcd of now; the answer ends it. */
  readonly attach: (inner: Coordination) => Promise<() => Promise<void>>;
  /** A lease: it ends when its holder has been silent for so long. A watch is silent in an outage, and then tells what it missed. */
  readonly isLease: boolean;
  end: (() => Promise<void>) | undefined;
  silentSince: number | undefined;
}

/** etcd between processes: watches tell later, leases end without their holders, and all of it may be lost. */
export class SimulatedEtcd {
  #inner = createMemoryCoordination();
  readonly #lasting = new Set<Lasting>();
  isDown = false;

  constructor(private readonly world: World) {}

  /** Looks after leases and watches; to be called again and again. */
  async tend(): Promise<void> {
    const { now } = this.world.time;
    for (const one of [...this.#lasting]) {
      const isSilent = !one.process.isAlive || this.isDown || one.isCutOff();
      if (!isSilent) one.silentSince = undefined;
      else one.silentSince ??= now;
      const isOver = one.silentSince !== undefined && now - one.silentSince >= TTL;
      if (one.end !== undefined && (one.isLease ? isOver && !this.isDown : !one.process.isAlive)) {
        const { end } = one;
        one.end = undefined;
        await end();
      }
      if (!one.process.isAlive && one.end === undefined) this.#lasting.delete(one);
      else if (one.process.isAlive && !isSilent && one.end === undefined) one.end = await one.attach(this.#inner);
    }
  }

  /** Everything in it is gone. */
  async lose(): Promise<void> {
    this.#inner = createMemoryCoordination();
    for (const one of this.#lasting) one.end = undefined;
  }

  coordinationOf(process: SimulatedProcess, isCutOff: () => boolean): Coordination {
    const crossing: Crossing = {
      latency: [0.3, 8],
      outlivesCaller: true,
      losesAnswers: true,
      refusal: () => (this.isDown || isCutOff() ? portolanError('store-unavailable', '', 'the simulated etcd cannot be reached') : undefined),
    };
    /** In the order in which it was told. */
    const teller = <T>(what: string, tell: (value: T) => void): ((value: T) => void) => {
      let lastAt = 0;
      const deliver = (value: T, wait: number): void => {
        const { time, chance } = this.world;
        lastAt = Math.max(lastAt, time.now + wait);
        time.after(lastAt - time.now, `${process.name} ${what}`, () => {
          if (!process.isAlive) return;
          if (this.isDown || isCutOff()) deliver(value, RETRY + chance.between(0, 500));
          else tell(value);
        });
      };
      return (value) => deliver(value, this.world.chance.between(0.2, 10));
    };
    const last = (isLease: boolean, attach: Lasting['attach']): Promise<() => Promise<void>> => {
      const one: Lasting = { process, isCutOff, attach, isLease, end: undefined, silentSince: undefined };
      return process.call('etcd.last', { ...crossing, losesAnswers: false, refusal: () => undefined }, async () => {
        this.#lasting.add(one);
        if (!this.isDown && !isCutOff()) one.end = await attach(this.#inner);
        return async () => {
          this.#lasting.delete(one);
          await one.end?.();
        };
      });
    };
    return {
      publishRevision: (cluster, revision) => process.call('etcd.publishRevision', crossing, () => this.#inner.publishRevision(cluster, revision)),
      watchRevision: (cluster, onRevision) => last(false, (inner) => inner.watchRevision(cluster, teller('etcd tells of a revision', onRevision))),
      watchAlive: (cluster, onChange) => last(false, (inner) => inner.watchAlive(cluster, teller('etcd tells who is alive', onChange))),
      keepAlive: (cluster, node, liveness) => last(true, (inner) => inner.keepAlive(cluster, node, liveness)),
      ping: () => process.call('etcd.ping', crossing, () => this.#inner.ping()),
      close: async () => undefined,
    };
  }
}
