import type { Id } from '@portolan/model';
import { foundObjects, type NodeState, wholeHash } from '@portolan/node-state';
import type { Plan } from '@portolan/plan';
import { isLater, noSignals, type Report } from '@portolan/protocol';
import { KEPT_JOBS, KEPT_STATES } from '../history.js';
import type { DriftRow, JobRow, NodeProgress, NodeStateRow, ObservedRow } from '../ports.js';
import { driftAfter } from './drift.js';

/** What is kept of one node beside the intent. Newest last. */
export interface NodeHistory {
  progress: NodeProgress;
  states: readonly NodeStateRow[];
  jobs: readonly JobRow[];
  observed: ObservedRow | null;
  /** Newest last. */
  drift: readonly DriftRow[];
}

export function newNodeHistory(nodeId: Id): NodeHistory {
  return {
    progress: {
      nodeId,
      generation: 0,
      stateHash: '',
      computedRevision: 0,
      appliedRevision: 0,
      lastReportAt: null,
      reportOrder: null,
      handedRevision: null,
      lastStatus: null,
      lastErrors: [],
      failures: 0,
      failingSince: null,
      lastWaiting: [],
      facts: {},
      observedHash: null,
      signals: noSignals,
    },
    states: [],
    jobs: [],
    observed: null,
    drift: [],
  };
}

/** The state did not change, so a node that has applied it, as its job tells, has applied this revision too. */
export function moveRevision(history: NodeHistory, revision: number): void {
  const { appliedRevision, computedRevision, lastStatus } = history.progress;
  const isApplied = appliedRevision === computedRevision && lastStatus === 'applied' && history.jobs.at(-1)?.status === 'applied';
  history.progress = { ...history.progress, computedRevision: revision, appliedRevision: isApplied ? revision : appliedRevision };
}

/** Starts a generation; gives its job. */
export function addGeneration(history: NodeHistory, id: string, revision: number, state: NodeState, plan: Plan, now: string): JobRow {
  const { nodeId, generation: last } = history.progress;
  const generation = last + 1;
  const job: JobRow = { id, nodeId, generation, revision, status: 'queued', plan, createdAt: now, finishedAt: null, report: null };
  history.progress = { ...history.progress, generation, stateHash: state.hash, computedRevision: revision };
  history.states = [...history.states, { nodeId, generation, revision, state, createdAt: now }].slice(-KEPT_STATES);
  history.jobs = [...history.jobs, job].slice(-KEPT_JOBS);
  return job;
}

function appliedRevisionOf({ progress, states }: NodeHistory, report: Report): number {
  if (report.status !== 'applied') return progress.appliedRevision;
  if (report.stateHash === progress.stateHash) return progress.computedRevision;
  const older = states.find(({ generation, state }) => generation === report.generation && state.hash === report.stateHash);
  return Math.max(progress.appliedRevision, older?.revision ?? 0);
}

function jobAfter(job: JobRow, report: Report, kept: Report, now: string): JobRow {
  const isOfGeneration = job.generation === report.generation;
  const isNamed = job.id === report.jobId;
  const isOpen = job.status === 'queued' || job.status === 'failed';
  if (!isOpen || job.generation > report.generation || !(isOfGeneration || isNamed || report.status === 'applied')) return job;
  const status = !isOfGeneration && report.status === 'applied' ? 'superseded' : report.status;
  return { ...job, status, finishedAt: now, report: isOfGeneration || isNamed ? kept : job.report };
}

/** Objects that a report leaves out: those of the one before, or all of the state that it is about. Undefined: they are others. */
function leftOut({ observed, states }: NodeHistory, { observed: { hash }, generation, stateHash }: Report): ObservedRow['objects'] | undefined {
  if (observed?.hash === hash) return observed.objects;
  const state = states.find((row) => row.generation === generation && row.state.hash === stateHash)?.state;
  return state !== undefined && wholeHash(state) === hash ? foundObjects(state) : undefined;
}

/** Takes in a report. */
export function addReport(history: NodeHistory, report: Report, now: string): NodeProgress {
  const { observed, ...rest } = report;
  const { reportOrder } = history.progress;
  if (report.order !== undefined && reportOrder !== null && !isLater(report.order, reportOrder)) return history.progress;
  const { hash, foreign, objects } = observed;
  const kept: Report = { ...rest, observed: { hash, foreign } };
  history.progress = {
    ...history.progress,
    appliedRevision: appliedRevisionOf(history, report),
    lastReportAt: now,
    reportOrder: report.order ?? reportOrder,
    lastStatus: report.status,
    lastErrors: report.errors,
    failures: report.status === 'applied' ? 0 : history.progress.failures + 1,
    failingSince: report.status === 'applied' ? null : (history.progress.failingSince ?? now),
    lastWaiting: report.waiting,
    facts: report.facts,
    signals: report.signals,
  };
  if (report.drift !== undefined) history.drift = driftAfter(history.drift, history.progress.nodeId, report.drift, now);
  history.jobs = history.jobs.map((job) => jobAfter(job, report, kept, now));
  const known = (objects as ObservedRow['objects'] | undefined) ?? leftOut(history, report);
  if (known !== undefined) {
    history.observed = { nodeId: history.progress.nodeId, hash, objects: known, foreign, observedAt: now };
    history.progress = { ...history.progress, observedHash: hash };
  }
  return history.progress;
}
