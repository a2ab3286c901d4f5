import { hashText, type StateDelta, stateAfter, stateDelta } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';
import { type AppliedLedger, appliedOf, type Ledger } from './ledger.js';

/** What leads from one ledger to the next. What is left out stays as it was. */
interface LedgerChange {
  /** Of the whole ledger that it goes on from; lines of an earlier one may be left in the file. */
  readonly mark: string;
  /** Another state, or the same under other numbers. */
  readonly desired?: Omit<DesiredState, 'state'> & { readonly delta?: StateDelta };
  /** All of the state but what waits, or what is other in it than in the one before. */
  readonly applied?: Pick<AppliedLedger, 'generation' | 'revision'> &
    ({ readonly waiting: readonly string[] } | { readonly put: AppliedLedger['hashes']; readonly gone: readonly string[] });
  readonly retiring?: Ledger['retiring'];
  readonly start?: number;
}

function desiredChange(before: DesiredState, after: DesiredState): NonNullable<LedgerChange['desired']> {
  const { state, ...numbers } = after;
  return state.hash === before.state.hash ? numbers : { ...numbers, delta: stateDelta(before.state, state) };
}

function appliedChange(before: AppliedLedger | undefined, after: AppliedLedger, { state }: DesiredState): NonNullable<LedgerChange['applied']> {
  const { generation, revision, of } = after;
  if (of?.stateHash === state.hash) return { generation, revision, waiting: of.waiting };
  const [was, is] = [before?.hashes ?? {}, after.hashes];
  const put = Object.fromEntries(Object.entries(is).filter(([key, hash]) => was[key] !== hash));
  return { generation, revision, put, gone: Object.keys(was).filter((key) => !(key in is)) };
}

/** Undefined where only a whole ledger will do: one of the two has no state, or they are those of two nodes. */
export function ledgerChange(mark: string, before: Ledger, after: Ledger): LedgerChange | undefined {
  if (before.desired === undefined || after.desired === undefined || before.desired.nodeId !== after.desired.nodeId) return undefined;
  if (before.applied !== undefined && after.applied === undefined) return undefined;
  return {
    mark,
    ...(before.desired === after.desired ? {} : { desired: desiredChange(before.desired, after.desired) }),
    ...(before.applied === after.applied || after.applied === undefined ? {} : { applied: appliedChange(before.applied, after.applied, after.desired) }),
    ...(before.retiring === after.retiring ? {} : { retiring: after.retiring }),
    ...(before.start === after.start ? {} : { start: after.start }),
  };
}

/**
 * Whether it must be on disk before anybody acts on it: what is accepted, a start, and endpoints that are left to be cleaned. What was applied, and
 * what is clean, is found out again.
 */
export function isPromise({ retiring: before }: Ledger, { desired, retiring, start }: LedgerChange): boolean {
  return desired !== undefined || start !== undefined || Object.keys(retiring ?? {}).some((id) => !(id in before));
}

/** With a hash in front: a line that was cut short is none. */
export function lineOf(change: LedgerChange): string {
  const text = JSON.stringify(change);
  return `${hashText(text)} ${text}\n`;
}

function changeIn(line: string): LedgerChange | undefined {
  const [hash, text] = [line.slice(0, 16), line.slice(17)];
  return hashText(text) === hash ? (JSON.parse(text) as LedgerChange) : undefined;
}

function after(ledger: Ledger, { desired, applied, retiring = ledger.retiring, start = ledger.start }: LedgerChange): Ledger | undefined {
  let next: Ledger = { ...ledger, retiring, start };
  if (desired !== undefined) {
    if (next.desired === undefined) return undefined;
    const { delta, ...numbers } = desired;
    const state = delta === undefined ? next.desired.state : stateAfter(next.desired.state, delta);
    if (state === undefined) return undefined;
    next = { ...next, desired: { ...numbers, state } };
  }
  if (applied !== undefined) {
    const { generation, revision } = applied;
    if ('waiting' in applied) {
      if (next.desired === undefined) return undefined;
      return { ...next, applied: appliedOf({ generation, revision, state: next.desired.state }, applied.waiting) };
    }
    const without = new Set(applied.gone);
    const kept = Object.entries(next.applied?.hashes ?? {}).filter(([key]) => !without.has(key));
    next = { ...next, applied: { generation, revision, hashes: { ...Object.fromEntries(kept), ...applied.put } } };
  }
  return next;
}

/** The ledger that the lines lead to, as far as they can be read; `isWhole`: all of them could, so that more may be written behind. */
export function ledgerAfter(ledger: Ledger, mark: string, text: string): { readonly ledger: Ledger; readonly isWhole: boolean } {
  let now = ledger;
  const lines = text.split('\n');
  // Behind the last line there is nothing, or a part of one.
  let isWhole = lines.pop() === '';
  for (const line of lines) {
    const change = changeIn(line);
    if (change !== undefined && change.mark !== mark) continue;
    const next = change === undefined ? undefined : after(now, change);
    if (next === undefined) {
      isWhole = false;
      break;
    }
    now = next;
  }
  return { ledger: now, isWhole };
}
