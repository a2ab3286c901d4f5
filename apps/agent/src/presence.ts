import type { Kernel } from '@portolan/kernel';
import type { NodeState, ObservedState } from '@portolan/node-state';
import type { Clock } from './clock.js';
import type { Log } from './log.js';

export interface PresenceOptions {
  readonly kernel: Pick<Kernel, 'resolve'>;
  readonly endpoints: () => NodeState['endpoints'];
  /** Presence as the last run of the loop saw it. */
  readonly lastSeen: () => ObservedState['endpoints'];
  readonly clock: Clock;
  readonly log: Log;
  /** Between two looks, in milliseconds. */
  readonly every: number;
  readonly onChange: (endpoints: readonly string[]) => void;
}

/**
 * Looks whether the namespaces of endpoints came, went or were replaced since the last run. It costs a few system
 * calls an endpoint and no process (but one for all containers that do not run), so it can be done every other second.
 */
export function watchPresence({ kernel, endpoints, lastSeen, clock, log, every, onChange }: PresenceOptions): () => Promise<void> {
  let incarnations: ReadonlyMap<string, string> = new Map();
  /** What was told last: a run that fails sees nothing, and must not be asked for again at every look. */
  let told = '';
  let stopped = false;
  let cancel: () => void = () => undefined;
  let current: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    try {
      const { found } = await kernel.resolve(endpoints());
      const seen = new Map(Object.entries(found).map(([id, { incarnation }]) => [id, incarnation]));
      const before = incarnations;
      incarnations = seen;
      const changed = Object.entries(lastSeen()).flatMap(([id, presence]) => {
        const now = seen.has(id) ? 'present' : 'absent';
        const replaced = before.has(id) && seen.has(id) && before.get(id) !== seen.get(id);
        return now !== presence || replaced ? [`${id} ${seen.get(id) ?? 'absent'}`] : [];
      });
      const telling = changed.join('\n');
      if (telling !== '' && telling !== told) onChange(changed.map((line) => line.slice(0, line.indexOf(' '))));
      told = telling;
    } catch (error) {
      log.warn({ err: error }, 'endpoints cannot be looked for');
    }
  }

  function schedule(): void {
    cancel = clock.after(every, () => {
      current = look().then(() => {
        if (!stopped) schedule();
      });
    });
  }

  schedule();
  return async () => {
    stopped = true;
    cancel();
    await current;
  };
}
