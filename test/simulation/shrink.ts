import type { FaultKind } from './faults.js';
import { type SimulationOptions, type SimulationResult, simulate } from './simulate.js';

/** The failure of a seed with as few faults and steps as it still fails with in the same way, by leaving one after the other out. */
export async function shrunken(failed: SimulationResult, options: Pick<SimulationOptions, 'planted'> = {}): Promise<SimulationResult> {
  let least = failed;
  const still = async (steps: number, faults: readonly FaultKind[]): Promise<boolean> => {
    const result = await simulate({ seed: failed.seed, steps, faults: new Set(faults), ...options });
    if (result.failure?.invariant !== failed.failure?.invariant) return false;
    least = result;
    return true;
  };
  for (const kind of failed.faults)
    await still(
      least.steps,
      least.faults.filter((other) => other !== kind),
    );
  for (let steps = Math.floor(least.steps / 2); steps >= 0 && (await still(steps, least.faults)); ) steps = Math.floor(steps / 2);
  return least;
}
