import { PortolanError, portolanError } from '@portolan/model';
import type { Report, ReportAnswer } from '@portolan/protocol';
import { backOff, type Clock } from './clock.js';
import type { ControlPlane } from './control-plane.js';
import type { Log } from './log.js';
import type { ReportNumbers } from './report-numbers.js';

export interface ReporterOptions {
  readonly controlPlane: Pick<ControlPlane, 'sendReport'>;
  readonly numbers: ReportNumbers;
  readonly clock: Clock;
  readonly log: Log;
  readonly retryFirst: number;
  readonly retryLast: number;
  /** Whether it found all of its state, and nothing else: then the control plane knows the objects. */
  readonly foundAll: (report: Report) => boolean;
  readonly onAnswer: (answer: ReportAnswer, report: Report) => void;
  readonly onOutcome: (outcome: 'delivered' | 'failed' | 'replaced' | 'refused') => void;
}

export interface Reporter {
  /** Takes a report with its observed objects and delivers it as soon as it can; a newer one replaces it until then. */
  submit(report: Report): void;
  /** Tries once more to deliver what is there. */
  stop(): Promise<void>;
}

/** A report that was not delivered lives on in the one that replaces it, as far as that says nothing of the same. */
function replacing(older: Report | undefined, newer: Report): Report {
  if (older === undefined) return newer;
  const { jobId = older.jobId, ...rest } = newer;
  const ofOneRun = older.startedAt === newer.startedAt && older.finishedAt === newer.finishedAt;
  const silent = newer.steps.length === 0 && newer.commands.length === 0 && older.stateHash === newer.stateHash && (ofOneRun || older.status === 'applied');
  return { ...rest, ...(jobId === undefined ? {} : { jobId }), ...(silent ? { steps: older.steps, commands: older.commands } : {}) };
}

/**
 * Delivers reports one at a time. The observed objects are left out when the control plane has taken those of the same
 * hash before, or has them as the state; and sent when it asks for them.
 */
export function reporter({ controlPlane, numbers, clock, log, retryFirst, retryLast, foundAll, onAnswer, onOutcome }: ReporterOptions): Reporter {
  let next: Report | undefined;
  let current: Promise<void> | undefined;
  let cancelTimer: () => void = () => undefined;
  let heldHash: string | undefined;
  let failures = 0;
  let stopped = false;

  /** With an order of its own each time it is sent, so that of two copies the later one counts. */
  async function taken(report: Report): Promise<ReportAnswer> {
    const answer = await controlPlane.sendReport({ ...report, order: numbers.next() });
    if (answer.overtakenBy === undefined) return answer;
    log.info({ latest: answer.overtakenBy }, 'the control plane holds a later report than those of this start; they are counted on from there');
    numbers.goOnAfter(answer.overtakenBy);
    const again = await controlPlane.sendReport({ ...report, order: numbers.next() });
    if (again.overtakenBy === undefined) return again;
    throw portolanError('store-unavailable', '', 'another agent reports for this node at the same time', { fix: 'Stop one of the two.' });
  }

  async function send(report: Report): Promise<ReportAnswer> {
    const { objects, ...observed } = report.observed;
    const isLeftOut = heldHash === observed.hash || foundAll(report);
    let answer = await taken(isLeftOut ? { ...report, observed } : report);
    if (answer.wantsObjects && isLeftOut && objects !== undefined) answer = await taken(report);
    heldHash = answer.wantsObjects ? undefined : observed.hash;
    return answer;
  }

  async function deliver(report: Report): Promise<void> {
    next = undefined;
    try {
      const answer = await send(report);
      if (failures > 0) log.info({ generation: report.generation }, 'reports are delivered again');
      failures = 0;
      onOutcome('delivered');
      onAnswer(answer, report);
    } catch (error) {
      if (error instanceof PortolanError && error.code === 'invalid-document') {
        log.error({ err: error, generation: report.generation }, 'the control plane refused a report; it is dropped');
        onOutcome('refused');
        return;
      }
      failures += 1;
      onOutcome('failed');
      if (failures === 1) log.warn({ err: error, generation: report.generation }, 'a report was not delivered; it is kept and tried again');
      next = next === undefined ? report : replacing(report, next);
    } finally {
      current = undefined;
    }
  }

  function proceed(): void {
    if (next === undefined || current !== undefined || stopped) return;
    cancelTimer();
    current = deliver(next).then(() => {
      if (next === undefined || stopped) return;
      if (failures === 0) proceed();
      else cancelTimer = clock.after(backOff(failures, retryFirst, retryLast, clock.random()), proceed);
    });
  }

  return {
    submit: (report) => {
      if (next !== undefined) onOutcome('replaced');
      next = replacing(next, report);
      proceed();
    },
    stop: async () => {
      stopped = true;
      cancelTimer();
      await current;
      if (next !== undefined) await deliver(next);
      if (next !== undefined) log.warn({ generation: next.generation }, 'stopped with a report that was not delivered; the next start reports anew');
    },
  };
}
