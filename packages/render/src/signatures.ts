import type { NodeState, ObservedObject, Space } from '@portolan/node-state';
import type { Plan } from '@portolan/plan';
import type { Batch, Layout } from './batch.js';
import type { LinkScan, Scan, VethHalf } from './scan.js';

function pending(..._args: readonly unknown[]): never {
  throw new Error('not written yet');
}

/** Batches in the order of execution. */
export function renderPlan(plan: Plan, desired: NodeState, layout: Layout): Batch[] {
  return pending(plan, desired, layout);
}
/** Output of `iptables-save` (all tables). */
export function scanIptablesSave(space: Space, text: string): Scan {
  return pending(space, text);
}
/** Output of `ipvsadm -S -n`. */
export function scanIpvsadm(space: Space, text: string): Scan {
  return pending(space, text);
}
/**
 * Output of `ip -j -d addr show`. Gives the namespace object of an own space (damaged when lo is down), bridges,
 * VTEPs and addresses as objects, and the ends of veths as halves.
 */
export function scanLinks(space: Space, json: string): LinkScan {
  return pending(space, json);
}
export function joinVeths(halves: readonly VethHalf[]): ObservedObject[] {
  return pending(halves);
}
/** Output of `ip -j -4 route show`. */
export function scanRoutes(space: Space, json: string): Scan {
  return pending(space, json);
}
/** Output of `ip -j -4 neigh show nud permanent`. */
export function scanNeighbours(space: Space, json: string): Scan {
  return pending(space, json);
}
/** Output of `bridge -j fdb show`. */
export function scanFdb(space: Space, json: string): Scan {
  return pending(space, json);
}
/** Lines `name = value`, of the names that `sysctlNames(space)` (node-state) gives. */
export function scanSysctls(space: Space, text: string): Scan {
  return pending(space, text);
}
