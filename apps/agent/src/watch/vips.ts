import type { NodeState, VipProbe } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import type { Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import type { Answer } from './dial.js';
import { touchedVips } from './touched.js';

export interface VipsOptions {
  readonly clock: Clock;
  readonly ask: (probe: VipProbe) => Promise<Answer>;
  /** The answer of a VIP became known, or is another one than before, or of another revision. */
  readonly onChange: () => void;
}

export interface Vips {
  /** Keeps what is known of these VIPs, and forgets the others. */
  follow(vips: NodeState['watch']['vips']): void;
  /** Dials those whose way the steps of a run have changed. */
  applied(state: Pick<NodeState, 'watch' | 'objects'>, revision: number, steps: readonly Step[]): void;
  vips(): NonNullable<Signals['vips']>;
  stop(): void;
}

/** Milliseconds: no try begins later than `WITHIN` after the first, nor sooner than `BETWEEN` after the one before. */
const WITHIN = 3_000;
const BETWEEN = 600;
const TRIES = 5;
/** A first apply changes the way to all of them; each dial holds a socket. */
const AT_ONCE = 32;

interface Subject {
  readonly probe: VipProbe;
  readonly revision: number;
  /** When the first try began. */
  begunAt: number | undefined;
  tries: number;
  cancel: () => void;
}

/** Dials VIPs after their way was changed, until they answer or `WITHIN` is over; then what is known of one stays until it is dialled again. */
export function watchVips({ clock, ask, onChange }: VipsOptions): Vips {
  const known = new Map<string, { readonly address: string; readonly port: number; readonly revision: number; readonly answers: boolean }>();
  const subjects = new Map<string, Subject>();
  const waiting = new Set<string>();
  let underWay = 0;

  function settle(key: string, { probe: { address, port }, revision }: Subject, answers: boolean): void {
    subjects.delete(key);
    known.set(key, { address, port, revision, answers });
    onChange();
  }

  async function tryOnce(key: string, subject: Subject): Promise<void> {
    const at = clock.now();
    subject.begunAt ??= at;
    subject.tries += 1;
    const answer = await ask(subject.probe);
    if (subjects.get(key) !== subject) return;
    if (answer === 'connected') {
      settle(key, subject, true);
      return;
    }
    const next = Math.max(at + BETWEEN, clock.now());
    if (subject.tries < TRIES && next - subject.begunAt <= WITHIN) {
      subject.cancel = clock.after(next - clock.now(), () => enqueue(key));
    } else if (answer === 'not-tried') {
      // Nobody could ask, so there is nothing to say.
      subjects.delete(key);
    } else settle(key, subject, false);
  }

  function enqueue(key: string): void {
    waiting.add(key);
    pump();
  }

  function pump(): void {
    for (const key of waiting) {
      if (underWay >= AT_ONCE) return;
      waiting.delete(key);
      const subject = subjects.get(key);
      if (subject === undefined) continue;
      underWay += 1;
      void tryOnce(key, subject).finally(() => {
        underWay -= 1;
        pump();
      });
    }
  }

  function forget(key: string): void {
    subjects.get(key)?.cancel();
    subjects.delete(key);
    waiting.delete(key);
  }

  return {
    follow: (vips = {}) => {
      let isForgotten = false;
      for (const [key, { address, port }] of known) {
        const now = vips[key];
        if (now?.address === address && now.port === port) continue;
        known.delete(key);
        isForgotten = true;
      }
      for (const key of [...subjects.keys()]) if (vips[key] === undefined) forget(key);
      if (isForgotten) onChange();
    },
    applied: (state, revision, steps) => {
      for (const key of touchedVips(state, steps)) {
        const probe = state.watch.vips?.[key];
        if (probe === undefined) continue;
        forget(key);
        subjects.set(key, { probe, revision, begunAt: undefined, tries: 0, cancel: () => undefined });
        enqueue(key);
      }
    },
    vips: () => Object.fromEntries([...known].map(([key, { revision, answers }]) => [key, { revision, answers }])),
    stop: () => {
      for (const key of [...subjects.keys()]) forget(key);
    },
  };
}
