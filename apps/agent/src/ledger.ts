import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type NodeState, nodeState } from '@portolan/node-state';
import type { DesiredState } from '@portolan/protocol';

/** What an agent must not forget when it ends: the last state that it accepted, and what that state no longer names. */
export interface Ledger {
  readonly desired: DesiredState | undefined;
  /** Endpoints of earlier states whose namespaces may still hold something of ours. */
  readonly retiring: NodeState['endpoints'];
}

export interface LedgerFile {
  read(): Promise<Ledger>;
  /** On disk when it resolves, whole or not at all. */
  write(ledger: Ledger): Promise<void>;
}

export const emptyLedger: Ledger = { desired: undefined, retiring: {} };

const FORMAT = 1;

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
  if (typeof document !== 'object' || document === null || !('format' in document) || document.format !== FORMAT) throw new Error('unknown format');
  const { desired, retiring } = document as Partial<Ledger>;
  if (desired !== undefined && !isWholeState(desired.state)) throw new Error('the hash of the state is wrong');
  return { desired, retiring: retiring ?? {} };
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
    write: async ({ desired, retiring }) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const fresh = await open(`${path}.new`, 'w', 0o600);
      try {
        await fresh.writeFile(JSON.stringify({ format: FORMAT, desired, retiring }));
        await fresh.sync();
      } finally {
        await fresh.close();
      }
      await rename(`${path}.new`, path);
      // The name is in the folder: without this a power cut could bring the old file back, and with it an older generation.
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
  };
}
