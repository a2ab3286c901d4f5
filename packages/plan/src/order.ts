import { type KernelObject, kindRank, type ObjectBody, type ObservedObject } from '@portolan/node-state';
import { onlyLoses, waysOfNames } from './names.js';
import { isLink, isName, isRule, isVtep } from './place.js';
import type { Step } from './plan.js';

/**
 * Phases of a plan. Make before break: what replaces something is there before that goes, except where both cannot be
 * there at once (`early`). Names lead only where the node does: they go first, and are made when the ways are.
 *
 *     names that go ─► early ─► namespaces, links, addresses, sysctls, peers ─► servers ─► servers that go
 *       ─► rules ─► rules that go ─► names ─► the rest that goes
 *
 * Where a mark leads from one virtual server to another, the old one goes with the rest: until the rules are written, packets are led to it. Where
 * a name leaves a VIP for another, so do the rules and the virtual server of the old one: until the names are made, clients are led to it.
 */
const phases = ['forget', 'early', 'make', 'make-servers', 'remove-servers', 'make-rules', 'remove-rules', 'make-names', 'remove'] as const;
type Phase = (typeof phases)[number];
const position = Object.fromEntries(phases.map((phase, i) => [phase, i])) as Record<Phase, number>;

function isServer(kind: ObservedObject['kind']): boolean {
  return kind === 'ipvs-timeouts' || kind === 'virtual-server' || kind === 'real-server';
}

/** The steps in the order of execution. `early` holds the keys that must go before anything is made. */
export function inOrder(steps: readonly Step[], early: ReadonlySet<string>): Step[] {
  // Nothing new is let in by the host's rules: then what no longer is comes first, so that no packet enters for it.
  const hostIsWritten = steps.some((step) => step.action !== 'delete' && step.object.space === 'host' && isRule(step.object.body.kind));
  const isLedElsewhere = new Set(steps.flatMap((step) => (step.action === 'replace' && step.object.body.kind === 'mark' ? [step.object.space] : [])));
  const waits = waysOfNames(steps);
  const phaseOf = (step: Step): Phase => {
    if (step.action !== 'delete') {
      const { kind } = step.object.body;
      if (isName(kind)) return onlyLoses(step) ? 'forget' : 'make-names';
      return isServer(kind) ? 'make-servers' : isRule(kind) ? 'make-rules' : 'make';
    }
    const { kind, key, space } = step.observed;
    if (isName(kind)) return 'forget';
    if (early.has(key)) return 'early';
    if (waits.has(key)) return 'remove';
    if (kind === 'virtual-server' && isLedElsewhere.has(space)) return 'remove';
    if (isServer(kind)) return 'remove-servers';
    if (isRule(kind)) return space === 'host' && !hostIsWritten ? 'early' : 'remove-rules';
    return 'remove';
  };
  return steps
    .map((step) => {
      const key = step.action === 'delete' ? step.observed.key : step.object.key;
      const rank = step.action === 'delete' ? -kindRank(step.observed.kind) : kindRank(step.object.body.kind);
      return { step, key, rank, phase: position[phaseOf(step)] };
    })
    .sort((a, b) => a.phase - b.phase || a.rank - b.rank || (a.key < b.key ? -1 : 1))
    .map(({ step }) => step);
}

/**
 * Keys of links that must go before any link is made: their VNI or a name of theirs is needed again. An end that was
 * not found may have any name.
 */
export function conflictingLinks(
  made: readonly KernelObject[],
  removed: readonly ObservedObject[],
  endsOf: (object: ObservedObject) => readonly string[],
): string[] {
  if (made.length === 0) return [];
  const ends = new Set(made.flatMap((object) => endsOf({ ...object, kind: object.body.kind })));
  const sockets = new Set(made.flatMap(({ body }) => socketOf(body) ?? []));
  return removed
    .filter((observed) => {
      const { kind, body } = observed;
      if (!isLink(kind)) return false;
      if (isVtep(kind) && sockets.size > 0) {
        const socket = body && socketOf(body);
        if (socket === undefined || sockets.has(socket)) return true;
      }
      if (kind === 'veth' && body === undefined) return true;
      return endsOf(observed).some((end) => ends.has(end));
    })
    .map(({ key }) => key);
}

/** `VNI PORT` of a VTEP: all are in the host's namespace, wherever the link is. */
function socketOf(body: ObjectBody): string | undefined {
  return body.kind === 'vxlan' || body.kind === 'flannel-vtep' ? `${body.vni} ${body.port}` : undefined;
}
