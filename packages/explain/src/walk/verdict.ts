import type { Hop, Verdict } from '../explanation.js';
import type { Delivered } from './arrival.js';
import type { End } from './ended.js';
import type { Suspect } from './trace.js';
import { endOf, type Tuple } from './tuple.js';

/** How far a packet came: who has it, or why nobody has. */
export interface Way {
  readonly hops: readonly Hop[];
  readonly end: Delivered | End;
}

/** Of an answer: whether it came to who asked, and what it was then. */
export interface Answer extends Way {
  readonly isHome: boolean;
  readonly tuple: Tuple;
  /** What the client takes for an answer. */
  readonly awaited: Tuple;
}

function hopOf({ hops }: Way): number | null {
  return hops.length === 0 ? null : hops.length - 1;
}

/** `answer`: null where nothing arrived. */
export function verdictOf(forward: Way, answer: Answer | null, suspects: readonly Suspect[]): Verdict {
  const { end } = forward;
  const [suspect] = suspects;
  if ('outcome' in end) {
    const blame = end.object === null && suspect !== undefined ? { ...suspect, reason: suspect.reason } : {};
    return { ...end, ...blame, to: null, hop: hopOf(forward), inReply: false };
  }
  const { to } = end;
  if (answer === null)
    return { outcome: 'no-reply', to, hop: hopOf(forward), inReply: false, object: null, reason: `${to} gets it and cannot answer`, fix: null };
  const { tuple, awaited } = answer;
  const there = { to, hop: hopOf(answer), inReply: true };
  if ('outcome' in answer.end) {
    const { outcome, object, reason, fix } = answer.end;
    const isUnknown = outcome === 'unknown';
    if (suspect !== undefined && !isUnknown) return { ...there, ...suspect, outcome: 'no-reply', reason: `the answer is lost: ${suspect.reason}` };
    return { ...there, outcome: isUnknown ? 'unknown' : 'no-reply', object, reason: `the answer is lost: ${reason}`, fix };
  }
  if (!answer.isHome) {
    const reason = `the answer goes to ${answer.end.to}, which waits for none`;
    const blame = suspect ?? { reason, fix: null, object: null };
    return { ...there, ...blame, outcome: 'no-reply', reason: suspect === undefined ? reason : `${reason}: ${suspect.reason}` };
  }
  if (tuple.source !== awaited.source || tuple.sourcePort !== awaited.sourcePort || tuple.destinationPort !== awaited.destinationPort) {
    const reason = `the answer comes from ${endOf(tuple.source, tuple.sourcePort)}, and the client asked ${endOf(awaited.source, awaited.sourcePort)}`;
    return {
      ...there,
      fix: suspect?.fix ?? null,
      object: suspect?.object ?? null,
      outcome: 'asymmetric',
      reason: suspect === undefined ? reason : `${reason}: ${suspect.reason}`,
    };
  }
  return { outcome: 'delivered', to, hop: hopOf(forward), inReply: false, object: null, reason: `${to} gets it, and the answer comes back`, fix: null };
}
