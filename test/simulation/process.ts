import { portolanError } from '@portolan/model';
import type { Chance } from './chance.js';
import type { Faults } from './faults.js';
import type { VirtualTime } from './time.js';

/** How a call crosses from a process to what is outside of it. */
export interface Crossing {
  /** Milliseconds that it takes, at least and at most. */
  readonly latency: readonly [number, number];
  /** Whether a call that was made takes effect although its process died meanwhile: it does when it was on its way over a wire. */
  readonly outlivesCaller: boolean;
  /** Why it cannot be made now; undefined when it can. */
  readonly refusal?: () => Error | undefined;
  /** Whether its answer may be lost after it took effect. */
  readonly losesAnswers: boolean;
}

const never: Promise<never> = new Promise(() => undefined);

/**
 * A process of the simulated world: a control plane or an agent. It can die at every call that it makes; then nothing of it goes on:
 * no answer reaches it, none of its timers goes off.
 */
export class SimulatedProcess {
  isAlive = true;
  readonly #ends: (() => void)[] = [];

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    private readonly chance: Chance,
    private readonly faults: Faults,
    private readonly onCrash: (process: SimulatedProcess) => void,
  ) {}

  /** What is to be done when it dies, by those outside of it. */
  onEnd(then: () => void): void {
    if (this.isAlive) this.#ends.push(then);
    else then();
  }

  kill(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    for (const end of this.#ends) end();
  }

  after(milliseconds: number, then: () => void): () => void {
    return this.time.after(milliseconds, '', () => {
      if (this.isAlive) then();
    });
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.after(milliseconds, wake);
      signal?.addEventListener('abort', wake);
    });
  }

  /** A call that crosses a port. `effect` is what it does outside; each answer of it is an event of its own. */
  call<T>(what: string, { latency: [least, most], outlivesCaller, refusal, losesAnswers }: Crossing, effect: () => Promise<T>): Promise<T> {
    if (!this.isAlive) return never;
    const { chance, faults } = this;
    const crashes = faults.happens('crash', 0.0015);
    const crashesBefore = crashes && chance.happens(0.5);
    const isSlow = faults.happens('delay', 0.02);
    const wait = chance.between(least, most) * (isSlow ? chance.between(5, 200) : 1);
    return new Promise((resolve, reject) => {
      if (crashesBefore) {
        this.#crash(what, 'before it');
        return;
      }
      this.time.after(wait, `${this.name} ${what}`, async () => {
        if (!this.isAlive && !(outlivesCaller && chance.happens(0.5))) return;
        const refused = refusal?.();
        if (refused !== undefined) {
          if (this.isAlive) reject(refused);
          return;
        }
        const loses = losesAnswers && faults.happens('store-failure', 0.004);
        if (loses && chance.happens(0.5)) {
          if (this.isAlive) reject(portolanError('store-unavailable', '', 'the simulated server went away before the call'));
          return;
        }
        try {
          const answer = await effect();
          if (crashes) this.#crash(what, 'after it');
          if (!this.isAlive) return;
          if (loses) reject(portolanError('store-unavailable', '', 'the simulated server went away with the answer'));
          else resolve(answer);
        } catch (error) {
          if (this.isAlive) reject(error);
        }
      });
    });
  }

  #crash(what: string, when: string): void {
    if (!this.isAlive) return;
    this.time.trace.add(this.time.now, `${this.name} CRASHES at ${what}, ${when}`);
    this.kill();
    this.onCrash(this);
  }
}

/** The methods of a port, each of which crosses by `call`. */
export function crossing<T extends object>(target: T, call: <R>(method: string, effect: () => Promise<R>) => Promise<R>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => call(String(name), async () => Reflect.apply(value, object, given) as unknown);
    },
  });
}
