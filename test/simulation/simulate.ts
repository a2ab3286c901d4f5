import { defaultClusterSettings } from '@portolan/model';
import { Chance } from './chance.js';
import { type FaultKind, faultKinds } from './faults.js';
import { People } from './people.js';
import type { Planted } from './planted.js';
import { broken, unrest } from './rest.js';
import { Violation } from './violation.js';
import { Weather } from './weather.js';
import { World } from './world.js';

export interface SimulationOptions {
  readonly seed: number;
  /** Changes and faults until everything is left alone; by the seed unless given. */
  readonly steps?: number | undefined;
  /** Kinds of fault that may happen; by the seed unless given. */
  readonly faults?: ReadonlySet<FaultKind> | undefined;
  readonly planted?: Planted | undefined;
  readonly echo?: ((line: string) => void) | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  readonly faults: readonly FaultKind[];
  readonly events: number;
  /** Simulated milliseconds. */
  readonly milliseconds: number;
  /** Of the whole trace: equal for equal runs. */
  readonly hash: string;
  readonly failure?: { readonly invariant: string; readonly message: string; readonly trace: readonly string[] } | undefined;
}

const SHOWN = 40;
/** Milliseconds within which everything must be at rest: a few times the longest period of anything. */
const PATIENCE = 200_000;

/** Each kind is there in three seeds of four, so that some seeds have few. */
function faultsOf(chance: Chance): ReadonlySet<FaultKind> {
  return new Set(faultKinds.filter(() => chance.happens(0.75)));
}

/** Runs the world of one seed: changes and faults, then rest, and looks whether every promise was kept. */
export async function simulate({ seed, steps: given, faults: allowed, planted, echo }: SimulationOptions): Promise<SimulationResult> {
  // Drawn from a generator apart, so that a replay with fewer steps or faults begins in the same way.
  const plan = new Chance(seed ^ 0x5bd1e995);
  const [drawnSteps, drawnFaults] = [plan.whole(4, 12), faultsOf(plan)];
  const steps = given ?? drawnSteps;
  const faults = allowed ?? drawnFaults;
  const world = new World({ seed, faults, planted, echo });
  const run = new Run(world);
  try {
    await run.live(steps);
    await run.rest();
  } catch (error) {
    return run.result(
      seed,
      steps,
      error instanceof Violation ? error : new Violation('nothing fails unforeseen', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
  }
  return run.result(seed, steps);
}

class Run {
  readonly #people: People;
  readonly #weather: Weather;

  constructor(private readonly world: World) {
    this.#people = new People(world);
    this.#weather = new Weather(world);
  }

  async live(steps: number): Promise<void> {
    const { world } = this;
    const { chance, time, store, cluster } = world;
    await store.createCluster({ id: world.newId(), name: cluster, settings: defaultClusterSettings });
    for (const plane of world.planes) plane.start();
    for (const host of world.hosts) time.after(chance.between(0, 3_000), `${host.name} starts its agent`, () => host.start());
    this.#tendEtcd();
    this.#people.applyManifest();
    await this.#pass(chance.between(1_000, 5_000));
    for (let step = 0; step < steps; step++) {
      if (chance.happens(0.6)) this.#people.ask();
      else this.#weather.turn();
      await this.#pass(chance.happens(0.2) ? chance.between(2_000, 8_000) : chance.between(10, 1_500));
    }
  }

  async rest(): Promise<void> {
    const { time, truth } = this.world;
    this.#weather.clearUp();
    const end = time.now + PATIENCE;
    let left: readonly Violation[] = [];
    do {
      if (time.now >= end) throw left[0] ?? new Violation('everything comes to rest', 'not in time');
      await this.#pass(2_000);
      left = await unrest(this.world);
    } while (left.length > 0);
    await this.#pass(1_000);
    const [found] = [...(await broken(this.world, this.#people)), ...(await this.#secondReconcile()), ...(await unrest(this.world))];
    if (found !== undefined) throw found;
    if (truth.first !== undefined) throw truth.first;
  }

  /** Of hosts that are at rest: looking at the whole kernel once more writes nothing. */
  async #secondReconcile(): Promise<readonly Violation[]> {
    const { hosts, newest } = this.world;
    const names = new Set([...(newest?.nodes.values() ?? [])].map(({ name }) => name));
    // What is no node any more keeps what it holds, and may yet come to know of a change from before.
    const members = hosts.filter(({ name }) => names.has(name));
    const before = members.map((host) => host.kernel.counts.batches);
    const unhappy: string[] = [];
    for (const host of members) {
      void host.agent?.sync().then((succeeded) => {
        if (!succeeded) unhappy.push(host.name);
      });
    }
    await this.#pass(2_000);
    return members.flatMap((host, i) => {
      const written = host.kernel.counts.batches - (before[i] ?? 0);
      if (unhappy.includes(host.name)) return [new Violation('a second reconcile succeeds', host.name)];
      return written === 0 ? [] : [new Violation('a second reconcile writes nothing', `${host.name} wrote ${written} batches`)];
    });
  }

  #tendEtcd(): void {
    this.world.time.after(250, '', () => {
      this.#tendEtcd();
      return this.world.etcd.tend();
    });
  }

  async #pass(milliseconds: number): Promise<void> {
    const { time, truth } = this.world;
    await time.passUntil(time.now + milliseconds, () => {
      if (truth.first !== undefined) throw truth.first;
    });
  }

  result(seed: number, steps: number, violation?: Violation): SimulationResult {
    const { time, faults } = this.world;
    const failure = violation === undefined ? undefined : { invariant: violation.invariant, message: violation.message, trace: time.trace.last(SHOWN) };
    return { seed, steps, faults: [...faults.kinds], events: time.events, milliseconds: time.now, hash: time.trace.hash, failure };
  }
}
