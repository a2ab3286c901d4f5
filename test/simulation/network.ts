import { PortolanError, portolanError } from '@portolan/model';
import { type DesiredState, PROTOCOL_VERSION, type Report, type ReportAnswer } from '@portolan/protocol';
import type { ControlPlane, StateAnswer } from '../../apps/agent/src/control-plane.js';
import { handedState } from '../../apps/control-plane/src/application/handed-state.js';
import { objectNamed } from '../../apps/control-plane/src/application/objects.js';
import { takeReport } from '../../apps/control-plane/src/application/reports.js';
import { progressOf } from '../../apps/control-plane/src/application/status.js';
import type { SimulatedHost } from './host.js';
import type { SimulatedPlane } from './plane.js';
import type { SimulatedProcess } from './process.js';
import type { World } from './world.js';

/** Milliseconds: as the agent's own. */
const TIMEOUT = 5_000;
/** Of the answers to one node so many are kept, for a proxy that gives an old one again. */
const KEPT = 6;

function unavailable(why: string): PortolanError {
  return portolanError('store-unavailable', '', why);
}

/** What the agent's client makes of a failure of the control plane. */
function asAnswered(error: unknown): unknown {
  if (!(error instanceof PortolanError)) return unavailable(String(error));
  if (error.code === 'not-found') return portolanError('not-found', '', error.message);
  return error.status === 400 || error.status === 422 ? portolanError('invalid-document', '', error.message) : unavailable(error.message);
}

/** HTTP between agents and control planes. */
export class SimulatedNetwork {
  /** Reports that were said, by all agents. */
  #reports = 0;
  readonly #answers = new Map<string, DesiredState[]>();

  constructor(private readonly world: World) {}

  controlPlaneOf(host: SimulatedHost, process: SimulatedProcess): ControlPlane {
    return {
      fetchState: async (knownHash) =>
        this.#seen(host, await this.#call(host, process, 'asks for its state', (plane) => this.#stateOf(plane, host.name, knownHash))),
      // No simulated agent counts traffic.
      sendTraffic: async () => undefined,
      sendReport: (report) => {
        this.#reports += 1;
        const said = this.#reports;
        return this.#call(
          host,
          process,
          `reports generation ${report.generation} as ${report.status}`,
          (plane) => this.#take(plane, host.name, report, said),
          true,
        );
      },
    };
  }

  async #stateOf({ ctx }: SimulatedPlane, name: string, knownHash: string | undefined): Promise<StateAnswer> {
    const snapshot = await ctx.store.snapshot(this.world.cluster);
    const node = objectNamed(snapshot, 'node', name);
    const progress = knownHash === undefined ? undefined : await progressOf(ctx, snapshot, node.id);
    if (progress !== undefined && progress.generation > 0 && progress.stateHash === knownHash) {
      return { kind: 'same', generation: progress.generation, revision: progress.computedRevision };
    }
    const { state, generation, revision } = await handedState(ctx, snapshot, node);
    return { kind: 'state', desired: { protocol: PROTOCOL_VERSION, nodeId: node.id, generation, revision, state } };
  }

  async #take({ ctx }: SimulatedPlane, name: string, report: Report, said: number): Promise<ReportAnswer> {
    const { store, cluster, truth } = this.world;
    const snapshot = await ctx.store.snapshot(cluster);
    const { id } = objectNamed(snapshot, 'node', name);
    truth.said(id, said, report);
    const answer = await takeReport(ctx, snapshot, name, report);
    const [progress] = await store.progress(snapshot.cluster.id, id);
    if (progress !== undefined) truth.reported(name, progress, said);
    return answer;
  }

  /** Now and then an old answer comes again in the place of the new one. */
  #seen({ name }: SimulatedHost, answer: StateAnswer): StateAnswer {
    const { faults, chance, planted, time } = this.world;
    const before = this.#answers.get(name) ?? [];
    const old = faults.happens('replayed-answer', 0.04) ? chance.anyOf(before) : undefined;
    if (answer.kind === 'state') this.#answers.set(name, [...before, answer.desired].slice(-KEPT));
    if (old === undefined) return answer;
    time.trace.add(time.now, `${name} is given generation ${old.generation} again`);
    return { kind: 'state', desired: planted.replayed?.(old) ?? old };
  }

  #call<T>(host: SimulatedHost, process: SimulatedProcess, what: string, handle: (plane: SimulatedPlane) => Promise<T>, mayDouble = false): Promise<T> {
    const { time, chance, faults } = this.world;
    const crossing = { latency: [0.3, 15], outlivesCaller: true, losesAnswers: false } as const;
    const isLost = (): boolean => host.isCutOff('plane') || faults.happens('message-loss', 0.02);
    return new Promise((resolve, reject) => {
      const cancel = process.after(TIMEOUT, () => reject(unavailable('the simulated control plane gives no answer')));
      const settle = (then: () => void): void => {
        cancel();
        then();
      };
      const arrive = async (): Promise<void> => {
        if (isLost()) return;
        const plane = chance.anyOf(this.world.planes.filter((one) => one.process?.isAlive === true));
        if (plane === undefined) return settle(() => reject(unavailable('no simulated control plane listens')));
        const answered = handle(plane).then(
          (answer) => () => resolve(answer),
          (error: unknown) => () => reject(asAnswered(error)),
        );
        void answered.then((then) => {
          if (isLost()) return;
          time.after(chance.between(0.3, 15), `${process.name} hears that it ${what}`, () => {
            if (process.isAlive) settle(then);
          });
        });
      };
      void process.call(what, crossing, arrive);
      if (mayDouble && faults.happens('duplication', 0.05))
        time.after(faults.has('late-report') ? chance.between(1, 3_000) : 0, `${process.name} ${what}, once more`, arrive);
    });
  }
}
