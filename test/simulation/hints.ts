import { portolanError } from '@portolan/model';
import type { SyncHint } from '@portolan/protocol';
import type { HintQueue, HintSource } from '@portolan/store';
import { createMemoryQueue } from '@portolan/store/memory';
import type { SimulatedHost } from './host.js';
import type { SimulatedProcess } from './process.js';
import type { World } from './world.js';

/** Milliseconds. */
const RETRY = 1_000;

/** Redis between the control planes and the agents: hints are lost, doubled and late. */
export class SimulatedHints {
  readonly #queue;
  isDown = false;

  constructor(private readonly world: World) {
    const { time } = world;
    this.#queue = createMemoryQueue(RETRY, (milliseconds) => new Promise<void>((resolve) => void time.after(milliseconds, 'a queue tries again', resolve)));
  }

  /** As after FLUSHALL. */
  lose(): void {
    this.#queue.clear();
  }

  queueOf(process: SimulatedProcess): HintQueue {
    const refusal = (): Error | undefined => (this.isDown ? portolanError('store-unavailable', '', 'the simulated Redis cannot be reached') : undefined);
    const crossing = { latency: [0.2, 6], outlivesCaller: true, losesAnswers: true, refusal } as const;
    return {
      publish: (messages) =>
        process.call(`redis.publish ${messages.map(({ node, hint }) => `${node}@${hint.generation}`).join(' ')}`, crossing, async () => {
          await this.#queue.publish(messages);
          this.world.truth.published(messages);
        }),
      ping: () => process.call('redis.ping', crossing, () => this.#queue.ping()),
      close: async () => undefined,
    };
  }

  sourceOf(host: SimulatedHost, process: SimulatedProcess): HintSource {
    const source = this.#queue.source(this.world.cluster, host.name);
    const close = (): void => void source.close();
    process.onEnd(close);
    return {
      start: (take) => source.start((hint) => this.#deliver(host, process, hint, take)),
      // One that is taken at the moment may never end, where its process has died.
      close: async () => close(),
    };
  }

  async #deliver(host: SimulatedHost, process: SimulatedProcess, hint: SyncHint, take: (hint: SyncHint) => Promise<void>): Promise<void> {
    const { time, chance, faults } = this.world;
    const what = `${process.name} takes the hint of generation ${hint.generation}`;
    const arrive = (wait: number): Promise<void> =>
      new Promise((resolve, reject) => {
        time.after(wait, what, () => {
          if (!process.isAlive) return;
          if (this.isDown || host.isCutOff('redis')) arrive(RETRY).then(resolve, reject);
          else take(hint).then(resolve, reject);
        });
      });
    if (faults.happens('message-loss', 0.1)) {
      time.trace.add(time.now, `${what}: lost`);
      return;
    }
    if (faults.happens('duplication', 0.1)) arrive(chance.between(1, 8_000)).catch(() => undefined);
    await arrive(faults.happens('delay', 0.1) ? chance.between(100, 5_000) : chance.between(0.2, 8));
  }
}
