import type { Id } from '@portolan/model';
import type { HealthProbe } from '@portolan/node-state';
import type { Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import type { ProbeOutcome } from './ask.js';

export interface ProbesOptions {
  readonly clock: Clock;
  readonly ask: (probe: HealthProbe) => Promise<ProbeOutcome>;
  readonly onOutcome: (outcome: ProbeOutcome) => void;
  /** The health of some endpoint is another one than before. */
  readonly onChange: () => void;
}

export interface Probes {
  /** Probes these and no others. One that asks the same of the same endpoint keeps its history. */
  follow(probes: Readonly<Record<Id, HealthProbe>>): void;
  /** The namespace of an endpoint went or was replaced: whatever is there next is a new one, and not healthy until it says so. */
  lost(id: Id): void;
  health(): Signals['health'];
  stop(): void;
}

interface Subject {
  probe: HealthProbe;
  health: 'healthy' | 'unhealthy' | undefined;
  /** Nothing was heard of it yet: the first success lets it in. */
  isNew: boolean;
  /** In a row, of those that speak against `health`. */
  failures: number;
  successes: number;
  /** Counts what a probe under way must not be taken for: a subject that was lost meanwhile. */
  incarnation: number;
  cancel: () => void;
}

/** A new endpoint is asked within so many milliseconds, so that it is not kept waiting for a long interval. */
const FIRST_WITHIN = 1_000;

function asksTheSame(a: HealthProbe, b: HealthProbe): boolean {
  return a.space === b.space && a.address === b.address && a.kind === b.kind && a.port === b.port && a.path === b.path;
}

/**
 * Health checks with hysteresis: `failures` in a row make an endpoint unhealthy, then `successes` in a row make it healthy again;
 * the first success makes a new one healthy. What could not be tried counts as neither. Each endpoint has a timer of its own, at a
 * random moment of its interval, so that a thousand of them are spread over it.
 */
export function watchProbes({ clock, ask, onOutcome, onChange }: ProbesOptions): Probes {
  const subjects = new Map<Id, Subject>();

  function judge(subject: Subject, outcome: ProbeOutcome): void {
    if (outcome === 'not-tried') return;
    const { probe } = subject;
    const before = subject.health;
    if (outcome === 'success') {
      subject.failures = 0;
      subject.successes += 1;
      if (subject.isNew || subject.successes >= probe.successes) subject.health = 'healthy';
      subject.isNew = false;
    } else {
      subject.successes = 0;
      subject.failures += 1;
      if (subject.failures >= probe.failures) {
        subject.health = 'unhealthy';
        subject.isNew = false;
      }
    }
    if (subject.health !== before) onChange();
  }

  async function askOnce(id: Id, subject: Subject): Promise<void> {
    const begun = clock.now();
    const { incarnation } = subject;
    const outcome = await ask(subject.probe);
    if (subjects.get(id) !== subject) return;
    onOutcome(outcome);
    if (incarnation === subject.incarnation) judge(subject, outcome);
    const wait = subject.probe.intervalMs * (0.95 + 0.1 * clock.random()) - (clock.now() - begun);
    schedule(id, subject, Math.max(1, wait));
  }

  function schedule(id: Id, subject: Subject, wait: number): void {
    subject.cancel = clock.after(wait, () => void askOnce(id, subject));
  }

  function forget(id: Id): void {
    subjects.get(id)?.cancel();
    subjects.delete(id);
  }

  return {
    follow: (probes) => {
      let forgotJudged = false;
      for (const [id, subject] of subjects) {
        const next = probes[id];
        if (next !== undefined && asksTheSame(subject.probe, next)) {
          subject.probe = next;
          continue;
        }
        forgotJudged ||= subject.health !== undefined;
        forget(id);
      }
      for (const [id, probe] of Object.entries(probes)) {
        if (subjects.has(id)) continue;
        const subject: Subject = { probe, health: undefined, isNew: true, failures: 0, successes: 0, incarnation: 0, cancel: () => undefined };
        subjects.set(id, subject);
        schedule(id, subject, Math.min(probe.intervalMs, FIRST_WITHIN) * clock.random());
      }
      if (forgotJudged) onChange();
    },
    lost: (id) => {
      const subject = subjects.get(id);
      if (subject === undefined) return;
      const before = subject.health;
      Object.assign(subject, { health: 'unhealthy', isNew: true, failures: 0, successes: 0, incarnation: subject.incarnation + 1 });
      if (before !== 'unhealthy') onChange();
    },
    health: () => {
      const health: Signals['health'] = {};
      for (const [id, subject] of subjects) if (subject.health !== undefined) health[id] = subject.health;
      return health;
    },
    stop: () => {
      for (const id of [...subjects.keys()]) forget(id);
    },
  };
}
