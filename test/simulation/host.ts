import { type Agent, createAgent } from '@portolan/agent';
import { type FakeKernel, type KernelEvent, type Observation, openFakeKernel } from '@portolan/kernel';
import type { Id } from '@portolan/model';
import type { NodeState, Origin } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';
import { ROUTE_PROTOCOL } from '@portolan/render';
import { type AgentMetrics, agentMetrics } from '../../apps/agent/src/metrics.js';
import { brokenNames } from './broken-names.js';
import { simulatedDisk } from './disk.js';
import { kernelOf } from './host-kernel.js';
import { simulatedNames } from './names.js';
import { SimulatedProcess } from './process.js';
import { simulatedSight } from './sight.js';
import { holdingsOf } from './truth.js';
import type { World } from './world.js';

/** Figures of all agents of this program; nobody reads them. */
const metrics: AgentMetrics = agentMetrics();

/** A host: its kernel and its disk outlive the agent, and a power cut takes the kernel, too. */
export class SimulatedHost {
  readonly names = simulatedNames((id) => this.absent.has(id));
  kernel: FakeKernel = openFakeKernel({ names: this.names });
  readonly disk = simulatedDisk();
  /** Things of other programs, by key, with what they hold. Some are in namespaces of ours, and go with these. */
  readonly foreign = new Map<string, string>();
  readonly foreignAtFirst: ReadonlyMap<string, string>;
  /** Endpoints of which the namespace is not there. */
  readonly absent = new Set<Id>();
  /** Keys of what was tampered with: between two looks at the whole kernel nobody can know. */
  readonly tamperedWith = new Set<string>();
  /** State that batches mean now. */
  desired: DesiredState | undefined;
  /** Of what is in the kernel: why it was made, and for which node; what an earlier node of that name left behind is nobody's. */
  readonly origins = new Map<string, { readonly nodeId: Id; readonly origin: Origin }>();
  process: SimulatedProcess | undefined;
  agent: Agent | undefined;
  /** Milliseconds that its time of day is wrong by. */
  wallOffset = 0;
  /** Until when it cannot reach the control planes, Redis, etcd and the other hosts. */
  readonly cutOff = { plane: 0, redis: 0, etcd: 0, hosts: 0 };
  #starts = 0;
  #reached: DesiredState | undefined;
  readonly #listeners = new Set<(event: KernelEvent) => void>();

  constructor(
    readonly world: World,
    readonly name: string,
    readonly address: string,
  ) {
    for (const key of ['route/host/198.51.100.0/24', 'bridge/host/docker0', 'virtual-server/host/77', 'rule/host/DOCKER-USER'])
      this.foreign.set(key, `foreign ${name}`);
    this.foreignAtFirst = new Map(this.foreign);
  }

  isCutOff(from: keyof SimulatedHost['cutOff']): boolean {
    return this.cutOff[from] > this.world.time.now;
  }

  start(): void {
    if (this.process?.isAlive === true) return;
    const { world, name } = this;
    const { time } = world;
    this.#starts += 1;
    const process = new SimulatedProcess(`${name}#${this.#starts}`, time, world.chance.fork(), world.faults, () => this.restartLater());
    this.process = process;
    process.onEnd(() => {
      this.names.clear();
      this.#listeners.clear();
    });
    const randomness = world.chance.fork();
    this.agent = createAgent(
      { cluster: world.cluster, node: name, version: '0.0.0-simulated', resync: 10_000, presence: 2_000, quickPresence: 1_000 },
      {
        kernel: kernelOf(this, process),
        names: {
          restore: (objects, found) =>
            process.call('names.restore', { latency: [0, 2], outlivesCaller: false, losesAnswers: false }, async () => this.names.restore(objects, found)),
        },
        sight: simulatedSight(this, process),
        controlPlane: world.network.controlPlaneOf(this, process),
        ledger: this.disk.ledgerOf(this, process),
        hints: world.hints.sourceOf(this, process),
        coordination: world.etcd.coordinationOf(process, () => this.isCutOff('etcd')),
        kernelEvents: ({ onEvent }) => {
          this.#listeners.add(onEvent);
          return { close: () => void this.#listeners.delete(onEvent) };
        },
        clock: {
          now: () => time.now,
          today: () => world.today() + this.wallOffset,
          after: (milliseconds, then) => process.after(milliseconds, then),
          random: () => randomness.real(),
        },
        log: world.logOf(process.name),
        metrics,
      },
    );
    void this.agent.start().catch((error: unknown) => world.truth.refute('an agent starts', String(error)));
  }

  kill(why: string): void {
    if (this.process?.isAlive !== true) return;
    this.world.note(`${this.process.name} is killed: ${why}`);
    this.process.kill();
    this.restartLater();
  }

  restartLater(): void {
    const { time, chance, faults } = this.world;
    time.after(faults.isOver ? 500 : chance.between(100, 9000), `${this.name} starts its agent`, () => this.start());
  }

  /** Nothing of the kernel is left, nor of what was not yet on the disk; containers come back later. */
  cutPower(): void {
    this.world.note(`${this.name} loses its power`);
    this.disk.losePower();
    this.kernel = openFakeKernel({ names: this.names });
    this.origins.clear();
    if (this.desired !== undefined) this.kernel.intend(this.desired.state);
    for (const id of this.absent) this.kernel.setPresence(id, 'absent');
    for (const id of Object.keys(this.desired?.state.endpoints ?? {})) {
      if (this.absent.has(id)) continue;
      this.setPresence(id, 'absent');
      this.world.containerComes(this, id, this.world.chance.between(500, 8000));
    }
    this.process?.kill();
    this.restartLater();
  }

  setPresence(id: Id, presence: 'present' | 'absent'): void {
    if ((presence === 'absent') === this.absent.has(id)) return;
    if (presence === 'absent') this.absent.add(id);
    else this.absent.delete(id);
    this.kernel.setPresence(id, presence);
    if (presence === 'absent') this.names.forgetClient(id);
  }

  /** Something of ours is changed or taken away by somebody else. */
  tamper(isTold: boolean): void {
    const { chance } = this.world;
    const key = chance.anyOf([...this.kernel.objects.keys()]);
    if (key === undefined) return;
    const gone = chance.happens(0.6);
    this.world.note(`somebody ${gone ? 'deletes' : 'changes'} ${key} on ${this.name}`);
    this.kernel.tamper(key, gone ? undefined : 'tampered');
    this.tamperedWith.add(key);
    // What the kernel says does not matter to the agent, as long as it is about something of ours.
    const event: KernelEvent = { kind: 'rule', isGone: gone, protocol: Number(ROUTE_PROTOCOL) };
    if (isTold) for (const listener of [...this.#listeners]) this.world.time.after(20, '', () => listener(event));
  }

  /** From now on batches make what this state wants. */
  intend(desired: DesiredState): void {
    this.desired = desired;
    this.kernel.intend(desired.state);
    this.world.truth.accepted(this.name, this.world.nodeIdOf(this.name), desired);
  }

  /** After a batch: notes why each object is there. */
  noteOrigins(keys: readonly string[]): void {
    const { desired } = this;
    const wanted = new Map(desired?.state.objects.map((object) => [object.key, object]));
    for (const key of keys) {
      const object = wanted.get(key);
      if (object === undefined || desired === undefined) this.origins.delete(key);
      else this.origins.set(key, { nodeId: desired.nodeId, origin: object.origin });
    }
  }

  /** All that this state wants is there for its node, whichever node it was made for. */
  noteReached(desired: DesiredState): void {
    if (this.#reached === desired) return;
    this.#reached = desired;
    this.noteOrigins(desired.state.objects.map(({ key }) => key));
  }

  /** Values that objects in the kernel have that were made for this node, and for whom. */
  holdings(nodeId: Id): ReadonlyMap<string, string> {
    const held = new Map<string, string>();
    for (const [key, { space, body }] of this.kernel.objects) {
      const made = this.origins.get(key);
      if (made?.nodeId !== nodeId || body === undefined) continue;
      for (const [value, owner] of holdingsOf({ space, body }, made.origin)) held.set(value, owner);
    }
    return held;
  }

  brokenNames(): ReadonlySet<string> {
    return this.desired === undefined ? new Set() : brokenNames(this.kernel.objects, this.names.objects, this.world.vips, this.tamperedWith);
  }

  /** Everything of ours that is there, names included. */
  everything(): ReadonlyMap<string, string> {
    return new Map([...this.kernel.objects, ...this.names.objects].map(([key, { hash }]) => [key, hash]));
  }

  /**
   * Whether it holds all of a state, as far as its agent can know. What is in the namespaces of endpoints does not count: one that cannot be
   * attached is absent, and its node has reached its state all the same.
   */
  holds({ objects }: NodeState): boolean {
    const isOfEndpoint = (space: string): boolean => space.startsWith('endpoint:');
    const counted = objects.filter(({ space, body }) => !isOfEndpoint(space) && !(body.kind === 'veth' && isOfEndpoint(body.peer.space)));
    return this.lacking({ objects: counted }).every((key) => this.tamperedWith.has(key));
  }

  /** Keys of objects that are wanted, could be there, and are not. */
  lacking({ objects }: Pick<NodeState, 'objects'>): readonly string[] {
    const there = this.everything();
    const waits = (space: string): boolean => space.startsWith('endpoint:') && this.absent.has(space.slice('endpoint:'.length));
    return objects.flatMap(({ key, hash, space, body }) => {
      const isWaiting = waits(space) || (body.kind === 'veth' && waits(body.peer.space));
      return isWaiting || there.get(key) === hash ? [] : [key];
    });
  }

  observed(observation: Observation): Observation {
    const { planted } = this.world;
    return planted.observed === undefined || this.desired === undefined ? observation : planted.observed(observation, this.desired.state);
  }
}
