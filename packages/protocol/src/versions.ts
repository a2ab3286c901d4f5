import { type NodeState, nodeState } from '@portolan/node-state';
import type { Report } from './index.js';

/**
 * The state as an agent of that version is told it: without what the version does not know, so with a hash of its own. Versions before 4
 * know neither `watch.vips` nor `watch.driftPolicy`; their agents dial no VIPs, and always repair.
 */
export function stateForProtocol(state: NodeState, protocol: number): NodeState {
  const { vips, driftPolicy, ...known } = state.watch;
  if (protocol >= 4 || (vips === undefined && driftPolicy === undefined)) return state;
  const { hash: _hash, ...rest } = state;
  return nodeState({ ...rest, watch: known });
}

/** The report as a control plane of that version takes it: without what the version does not know. */
export function reportForProtocol(report: Report, protocol: number): Report {
  if (protocol >= 4) return report;
  const { drift: _drift, order: _order, errors, signals, ...rest } = report;
  const { vips: _vips, ...seen } = signals;
  return { ...rest, protocol, errors: errors.map(({ command: _command, ...error }) => error), signals: seen };
}
