import type { AppliedBatch, Kernel } from '@portolan/kernel';
import type { Space } from '@portolan/node-state';
import type { Batch } from '@portolan/render';
import type { SimulatedHost } from './host.js';
import type { Crossing, SimulatedProcess } from './process.js';

const look: Crossing = { latency: [0.2, 12], outlivesCaller: false, losesAnswers: false };
const write: Crossing = { latency: [0.5, 25], outlivesCaller: true, losesAnswers: false };

/** The kernel of a host as an agent reaches it: each batch is a process that takes its time, and the world looks at the kernel after each. */
export function kernelOf(host: SimulatedHost, process: SimulatedProcess): Kernel {
  const { world } = host;

  /** Of a batch that cannot be carried out as things are. */
  function exitCodeOf({ space, tool, keys }: Batch): number {
    const isAbsent = (at: Space): boolean => at.startsWith('endpoint:') && host.absent.has(at.slice('endpoint:'.length));
    if (isAbsent(space)) return 1;
    const wanted = host.desired?.state.objects ?? [];
    const named = new Set(keys);
    // A pair cannot be made without a namespace for its other end; what is left of one can go.
    const isMade = (key: string): boolean => named.has(key) && !host.kernel.objects.has(key);
    if (wanted.some(({ key, body }) => body.kind === 'veth' && isMade(key) && isAbsent(body.peer.space))) return 1;
    // The name server is the agent itself: it does what it is told, or dies with it.
    return tool !== 'dns' && world.faults.happens('command-failure', 0.01) ? 4 : 0;
  }

  async function carryOut(batch: Batch): Promise<AppliedBatch> {
    for (const key of batch.keys) if (host.foreign.has(key)) world.truth.refute('nothing foreign is touched', `${process.name}: ${batch.tool} writes ${key}`);
    const before = host.brokenNames();
    host.kernel.onBatch = exitCodeOf;
    const [applied] = await host.kernel.apply([batch]);
    if (applied === undefined) throw new Error('the fake kernel answered nothing');
    if (applied.exitCode === 0) {
      host.noteOrigins(batch.keys);
      for (const key of batch.keys) host.tamperedWith.delete(key);
    }
    for (const name of host.brokenNames()) {
      if (!before.has(name)) world.truth.refute('a name never comes before its data path', `${process.name}: after ${batch.tool} in ${batch.space}, ${name}`);
    }
    return applied;
  }

  return {
    layout: host.kernel.layout,
    probe: (needs) => process.call('kernel.probe', look, () => host.kernel.probe(needs)),
    rulesOf: (space) => host.kernel.rulesOf(space),
    doubts: () => host.kernel.doubts(),
    resolve: (endpoints) => process.call('', { ...look, latency: [0.1, 1] }, () => host.kernel.resolve(endpoints)),
    observe: (request) =>
      process.call('kernel.observe', look, async () => {
        const observation = await host.kernel.observe(request);
        const { desired } = host;
        if (desired !== undefined && host.holds(desired.state)) {
          world.truth.reached(host.name, desired.state.hash);
          host.noteReached(desired);
        }
        const foreign = [...host.foreign.keys()].filter((key) => key.includes('/own:')).map((text) => ({ space: 'host' as const, text }));
        return host.observed({ ...observation, foreign: [...observation.foreign, ...foreign] });
      }),
    apply: async (batches) => {
      const done: AppliedBatch[] = [];
      const failed = new Set<Space>();
      for (const batch of batches) {
        if (failed.has(batch.space)) continue;
        const sooner = host.desired && world.planted.sooner?.(batch, host.desired.state);
        if (sooner !== undefined) await process.call('what is planted', write, () => carryOut(sooner));
        const applied = await process.call(`kernel.${batch.tool} in ${batch.space}`, write, () => carryOut(batch));
        done.push(applied);
        if (applied.exitCode === 0 || batch.goesOn === true) continue;
        if (!batch.space.startsWith('endpoint:')) break;
        failed.add(batch.space);
      }
      return done;
    },
    purge: (endpoints) => host.kernel.purge(endpoints),
  };
}
