import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type NodeState, nodeState } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';
import { appendText, writeDurably } from './durable-file.js';
import { isPromise, ledgerAfter, ledgerChange, lineOf } from './ledger-changes.js';

/** What the kernel was last known to hold, because a run made it or found it so. What differs from this without another state being wanted was others' doing. */
export interface AppliedLedger {
  readonly generation: number;
  readonly revision: number;
  /** By key of the object; those that waited for a namespace are left out. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Where it is all of a state but what waited: which. Then two can be compared, and noted, without their objects. */
  readonly of?: { readonly stateHash: string; readonly waiting: readonly string[] };
}

/** All of a state but what waits. Its hashes are made when somebody asks: that is at the next start. */
export function appliedOf({ generation, revision, state }: Pick<DesiredState, 'generation' | 'revision' | 'state'>, waiting: readonly string[]): AppliedLedger {
  let made: AppliedLedger['hashes'] | undefined;
  return {
    generation,
    revision,
    of: { stateHash: state.hash, waiting },
    get hashes() {
      if (made === undefined) {
        const without = new Set(waiting);
        made = Object.fromEntries(state.objects.flatMap(({ key, hash }) => (without.has(key) ? [] : [[key, hash]])));
      }
      return made;
    },
  };
}

/** What an agent must not forget when it ends: the last state that it accepted, what of it was applied, and what that state no longer names. */
export interface Ledger {
  readonly desired: DesiredState | undefined;
  /** Of the last run that reached its state; undefined before the first. It may be of an older generation than `desired`. */
  readonly applied: AppliedLedger | undefined;
  /** Endpoints of earlier states whose namespaces may still hold something of ours. */
  readonly retiring: NodeState['endpoints'];
  /** Number of the agent's last start, which orders its reports (`ReportOrder`); 0 before the first. */
  readonly start: number;
}

export interface LedgerFile {
  read(): Promise<Ledger>;
  /**
   * Whole or not at all. The state, the start and the endpoints that may still hold something are on disk when it resolves; what was applied follows when
   * the system writes it: without it the next start judges by an older note.
   */
  write(ledger: Ledger): Promise<void>;
}

export const emptyLedger: Ledger = { desired: undefined, applied: undefined, retiring: {}, start: 0 };

const FORMAT = 2;
/** Format 1 knew nothing of what was applied. */
const readableFormats: ReadonlySet<unknown> = new Set([1, FORMAT]);

/** A state whose hash is not that of its objects was cut or changed, and is worth nothing. */
export function isWholeState(state: NodeState): boolean {
  try {
    const { hash, ...rest } = state;
    return nodeState(rest).hash === hash;
  } catch {
    return false;
  }
}

interface WholeLedger extends Ledger {
  /** Names this file for the changes that go on from it; undefined in one that knows none. */
  readonly mark: string | undefined;
}

function parseLedger(text: string): WholeLedger {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || !('format' in document) || !readableFormats.has(document.format)) throw new Error('unknown format');
  const { desired, applied, retiring, start, mark } = document as Partial<WholeLedger>;
  if (desired !== undefined && !isWholeState(desired.state)) throw new Error('the hash of the state is wrong');
  return { desired, applied, retiring: retiring ?? {}, start: start ?? 0, mark };
}

/** Characters of changes, in parts of the whole ledger and at least, behind which it is written anew: so each is written twice on the average, however large. */
const CHANGES = { share: 1, least: 64 * 1024 };

/** What this process knows of the files. */
interface Held {
  readonly ledger: Ledger;
  readonly mark: string;
  /** Characters of the whole ledger and of the changes behind it. */
  readonly size: number;
  readonly changes: number;
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

/**
 * The ledger in two files: the whole as it once was, and what was changed since, a line each. `onDamage` is told of a whole that cannot be read;
 * it counts as empty then. Changes are believed up to the first that cannot be read: it was the last that was written when the power went.
 */
export function ledgerFile(path: string, onDamage: (error: unknown) => void): LedgerFile {
  const changesPath = join(dirname(path), 'ledger.changes');
  /** Undefined: nothing can be appended to what is there. */
  let held: Held | undefined;

  async function writeWhole(ledger: Ledger): Promise<void> {
    held = undefined;
    const mark = randomUUID();
    const { desired, applied, retiring, start } = ledger;
    const text = JSON.stringify({ format: FORMAT, mark, desired, applied, retiring, start });
    await writeDurably(path, text);
    held = { ledger, mark, size: text.length, changes: 0 };
  }

  return {
    read: async () => {
      held = undefined;
      const text = await textOf(path);
      if (text === undefined) return emptyLedger;
      try {
        const { mark, ...whole } = parseLedger(text);
        if (mark === undefined) return whole;
        const changes = (await textOf(changesPath)) ?? '';
        const { ledger, isWhole } = ledgerAfter(whole, mark, changes);
        if (isWhole) held = { ledger, mark, size: text.length, changes: changes.length };
        return ledger;
      } catch (error) {
        onDamage(error);
        return emptyLedger;
      }
    },
    write: async (ledger) => {
      const change = held === undefined ? undefined : ledgerChange(held.mark, held.ledger, ledger);
      if (held === undefined || change === undefined) return writeWhole(ledger);
      const line = lineOf(change);
      const { size, changes, mark, ledger: before } = held;
      if (changes + line.length > Math.max(CHANGES.least, size * CHANGES.share)) return writeWhole(ledger);
      // Of one that fails nobody knows how much is there.
      held = undefined;
      await appendText(changesPath, line, { isFirst: changes === 0, isDurable: changes === 0 || isPromise(before, change) });
      held = { ledger, mark, size, changes: changes + line.length };
    },
  };
}
