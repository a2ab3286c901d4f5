import { readFile } from 'node:fs/promises';
import { type NodeState, nodeState } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';
import { writeDurably } from './durable-file.js';

/** What the kernel was last known to hold, because a run made it or found it so. What differs from this without another state being wanted was others' doing. */
export interface AppliedLedger {
  readonly generation: number;
  readonly revision: number;
  /** By key of the object; those that waited for a namespace are left out. */
  readonly hashes: Readonly<Record<string, string>>;
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
  /** On disk when it resolves, whole or not at all. */
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

function parseLedger(text: string): Ledger {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || !('format' in document) || !readableFormats.has(document.format)) throw new Error('unknown format');
  const { desired, applied, retiring, start } = document as Partial<Ledger>;
  if (desired !== undefined && !isWholeState(desired.state)) throw new Error('the hash of the state is wrong');
  return { desired, applied, retiring: retiring ?? {}, start: start ?? 0 };
}

/** The ledger in one file. `onDamage` is told of one that cannot be read; it counts as empty then. */
export function ledgerFile(path: string, onDamage: (error: unknown) => void): LedgerFile {
  return {
    read: async () => {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch {
        return emptyLedger;
      }
      try {
        return parseLedger(text);
      } catch (error) {
        onDamage(error);
        return emptyLedger;
      }
    },
    write: async ({ desired, applied, retiring, start }) => {
      await writeDurably(path, JSON.stringify({ format: FORMAT, desired, applied, retiring, start }));
    },
  };
}
