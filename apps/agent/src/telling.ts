import type { Id } from '@portolan/model';
import type { Report, Signals } from '@portolan/protocol';
import type { Clock } from './clock.js';
import { reportFingerprint } from './report.js';
import type { Reporter } from './reporter.js';
import { paced } from './watch/pace.js';

export interface TellingOptions {
  readonly reports: Pick<Reporter, 'submit'>;
  readonly clock: Clock;
  readonly signals: () => Signals;
  readonly drift: () => NonNullable<Report['drift']>;
  /** Whether the state names the endpoint; what others do is nobody's business. */
  readonly isWanted: (endpoint: Id) => boolean;
  /** A report was sent again because of what is seen besides the kernel. */
  readonly onRepeated: () => void;
}

/** Decides what the control plane is told, and when. */
export interface Telling {
  /** A run begins; what goes from now on, it may not have seen. The answer is for `ran`. */
  begin(): number;
  /** The report of that run, which is sent when it `isDue` or says something new. `sawKernel`: its endpoints are as they were seen. */
  ran(report: Report, run: { readonly begun: number; readonly sawKernel: boolean; readonly isDue: boolean }): void;
  /** Namespaces of endpoints went or were replaced: nobody shall send them anything while a run looks what is there now. */
  lost(endpoints: readonly Id[]): void;
  /** Signals changed. `matters`: somebody waits for it. */
  changed(matters: boolean): void;
  /** Counters changed: they alone are worth a report, but a rare one. */
  counted(): void;
  stop(): void;
}

/** Milliseconds. Changes that come together go together; those that only count up and down may wait. */
const PACE = { gather: 20, urgent: 200, idle: 1_000 };

/** A report without what was done: that was told, or lives on in a report that is not yet delivered. */
function withoutWork({ jobId: _jobId, ...report }: Report): Report {
  return { ...report, steps: [], commands: [] };
}

/** Tells of runs, and between them of signals and of lost endpoints by the last report once more; before the first there is nothing to say. */
export function teller({ reports, clock, signals, drift, isWanted, onRepeated }: TellingOptions): Telling {
  let last: Report | undefined;
  /** The report that was submitted last. */
  let told: Report | undefined;
  let fingerprint = '';
  let runs = 0;
  /** Endpoints that went, with the number of runs that had begun by then. */
  const lost = new Map<Id, number>();

  /** The report as things are now. */
  function updated(report: Report): Report {
    const gone = [...lost.keys()].filter(isWanted);
    return {
      ...report,
      endpoints: { ...report.endpoints, ...Object.fromEntries(gone.map((id) => [id, 'absent' as const])) },
      signals: signals(),
      drift: drift(),
    };
  }

  function submit(report: Report): void {
    last = report;
    told = report;
    fingerprint = reportFingerprint(report);
    reports.submit(report);
  }

  /** Submits the last report once more, as things are now, where that is news. */
  function repeat(isNews: (report: Report) => boolean): void {
    if (last === undefined) return;
    const report = updated(withoutWork(last));
    if (!isNews(report)) return;
    onRepeated();
    submit(report);
  }

  const pace = paced({ clock, ...PACE, act: () => repeat((report) => reportFingerprint(report) !== fingerprint) });

  return {
    begin: () => ++runs,
    ran: (report, { begun, sawKernel, isDue }) => {
      for (const [id, when] of lost) if (sawKernel && when < begun) lost.delete(id);
      const now = updated(report);
      if (isDue || reportFingerprint(now) !== fingerprint) submit(now);
      else last = now;
    },
    lost: (endpoints) => {
      for (const id of endpoints) lost.set(id, runs);
      pace.ask(true);
    },
    changed: (matters) => pace.ask(matters),
    counted: () => repeat(({ signals: { relay } }) => JSON.stringify(relay) !== JSON.stringify(told?.signals.relay)),
    stop: () => pace.stop(),
  };
}
