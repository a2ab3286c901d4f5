import type { Kernel } from '@portolan/kernel';
import type { Id } from '@portolan/model';
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
  /** Milliseconds between two looks at all endpoints. */
  readonly every: number;
  /** Milliseconds between two looks at those that are attached by path or process, whose look starts no process. */
  readonly quick: number;
  /** Namespaces that were there and are not, or are others now. Told before `onChange`. */
  readonly onLost: (endpoints: readonly Id[]) => void;
  readonly onChange: (endpoints: readonly Id[]) => void;
}

/** Quick looks take at most this part of the time, however many endpoints there are. */
const SHARE = 1 / 20;

interface Difference {
  readonly id: Id;
  readonly lost: boolean;
  /** What it is now, for comparison. */
  readonly now: string;
}

/**
 * Looks whether the namespaces of endpoints came, went or were replaced since the last run. It costs a few system calls an
 * endpoint; containers of an engine are looked at less often, because one process is started for all that do not run.
 */
export function watchPresence({ kernel, endpoints, lastSeen, clock, log, every, quick, onLost, onChange }: PresenceOptions): () => Promise<void> {
  let incarnations: ReadonlyMap<Id, string> = new Map();
  /** What was told last: a run that fails sees nothing, and must not be asked for again at every look. */
  const told = new Map<Id, string>();
  let stopped = false;
  let cancel: () => void = () => undefined;
  let current: Promise<void> = Promise.resolve();
  let lastFullLook = clock.now();

  /** Looks at all, or only at those whose look costs little; of the others what was seen last stays. */
  async function look(isFull: boolean): Promise<void> {
    const all = Object.entries(endpoints());
    const asked = isFull ? all : all.filter(([, { attachment }]) => !('container' in attachment));
    if (asked.length === 0) return;
    const { found } = await kernel.resolve(Object.fromEntries(asked));
    const before = incarnations;
    const isAsked = new Set(asked.map(([id]) => id));
    const seen = new Map(Object.entries(found).map(([id, { incarnation }]) => [id, incarnation]));
    for (const [id] of all) {
      const known = isAsked.has(id) ? undefined : before.get(id);
      if (known !== undefined) seen.set(id, known);
    }
    incarnations = seen;
    const differences = Object.entries(lastSeen()).flatMap(([id, presence]): Difference[] => {
      if (!isAsked.has(id)) return [];
      const now = seen.get(id);
      const replaced = now !== undefined && before.has(id) && before.get(id) !== now;
      const differs = (now === undefined ? 'absent' : 'present') !== presence;
      return differs || replaced ? [{ id, lost: presence === 'present', now: now ?? 'absent' }] : [];
    });
    tell(differences, isAsked);
  }

  function tell(differences: readonly Difference[], isAsked: ReadonlySet<Id>): void {
    const news = differences.filter(({ id, now }) => told.get(id) !== now);
    for (const id of isAsked) told.delete(id);
    for (const { id, now } of differences) told.set(id, now);
    if (news.length === 0) return;
    const lost = news.filter((difference) => difference.lost).map(({ id }) => id);
    if (lost.length > 0) onLost(lost);
    onChange(news.map(({ id }) => id));
  }

  function schedule(wait: number): void {
    cancel = clock.after(Math.min(wait, every), () => {
      const begun = clock.now();
      const isFull = begun - lastFullLook >= every;
      if (isFull) lastFullLook = begun;
      current = look(isFull)
        .catch((error: unknown) => log.warn({ err: error }, 'endpoints cannot be looked for'))
        .then(() => {
          if (!stopped) schedule(Math.max(quick, (clock.now() - begun) / SHARE));
        });
    });
  }

  schedule(quick);
  return async () => {
    stopped = true;
    cancel();
    await current;
  };
}
