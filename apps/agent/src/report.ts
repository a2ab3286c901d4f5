import type { AppliedBatch } from '@portolan/kernel';
import { type CommandRecord, type DesiredState, noSignals, PROTOCOL_VERSION, type Report } from '@portolan/protocol';
import type { KernelProblem, Reconciled } from './reconcile.js';
import { keyOfStep } from './steps.js';

/** Characters of an input or output that a report carries. */
const TEXT_LIMIT = 64 * 1024;

function cut(text: string): string {
  return text.length <= TEXT_LIMIT ? text : `${text.slice(0, TEXT_LIMIT)}\n… ${text.length - TEXT_LIMIT} more characters`;
}

function commandRecord({ batch, command, exitCode, stdout, stderr, milliseconds }: AppliedBatch): CommandRecord {
  return { space: batch.space, command, input: cut(batch.text), exitCode, stdout: cut(stdout), stderr: cut(stderr), milliseconds };
}

export interface RunFacts {
  readonly agentVersion: string;
  readonly jobId: string | undefined;
  /** Times of day, in milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly facts: Report['facts'];
  /** Of the endpoints of the state; none where the kernel could not be read. */
  readonly endpoints: Report['endpoints'];
}

const nothingObserved: Pick<Reconciled['observed'], 'objects' | 'foreign' | 'hash'> = { objects: [], foreign: [], hash: '' };

/** `problems` are those of the run; of `remarks`, such as an endpoint that cannot be attached, the status takes no notice. Signals and drift are added when it is told. */
export function reportOf(
  desired: DesiredState,
  done: Partial<Reconciled>,
  problems: readonly KernelProblem[],
  remarks: readonly KernelProblem[],
  run: RunFacts,
): Report {
  const observed = done.observed ?? nothingObserved;
  return {
    protocol: PROTOCOL_VERSION,
    agentVersion: run.agentVersion,
    ...(run.jobId === undefined ? {} : { jobId: run.jobId }),
    generation: desired.generation,
    revision: desired.revision,
    stateHash: desired.state.hash,
    status: problems.length === 0 ? 'applied' : 'failed',
    startedAt: new Date(run.startedAt).toISOString(),
    finishedAt: new Date(run.finishedAt).toISOString(),
    steps: (done.steps ?? []).map((step) => ({ action: step.action, key: keyOfStep(step), reason: step.reason })),
    commands: (done.applied ?? []).map(commandRecord),
    errors: [...problems, ...remarks].map(({ code, message, fix, key, command }) => ({
      code,
      message,
      fix,
      ...(key === undefined ? {} : { key }),
      ...(command === undefined ? {} : { command: { ...command, stderr: cut(command.stderr) } }),
    })),
    waiting: [...(done.waiting ?? [])],
    endpoints: run.endpoints,
    signals: noSignals,
    observed: { hash: observed.hash, objects: [...observed.objects], foreign: [...observed.foreign] },
    facts: run.facts,
  };
}

/** What makes a report worth sending when nobody asked for one. Two with the same say the same, but for counters. */
export function reportFingerprint({ generation, revision, stateHash, status, errors, waiting, endpoints, signals, observed, facts, drift }: Report): string {
  const { relay: _relay, ...seen } = signals;
  // What was repaired is told by the report of the steps that did it; when it was delivered, that is no news.
  const open = drift?.open.map(({ key, kind, since, found }) => [key, kind, since, found]);
  return JSON.stringify([generation, revision, stateHash, status, errors, waiting, endpoints, seen, observed.hash, observed.foreign, facts, open]);
}
