import { emptyLedger, type Ledger, type LedgerFile } from '../../apps/agent/src/ledger.js';
import type { SimulatedHost } from './host.js';
import type { Crossing, SimulatedProcess } from './process.js';

export interface SimulatedDisk {
  /** The ledger as a process of the host has it: what is written is on the disk when that is answered, and before it may be or not. */
  ledgerOf(host: SimulatedHost, process: SimulatedProcess): LedgerFile;
  /** What was not on the disk is lost. */
  losePower(): void;
}

const io: Crossing = { latency: [0.05, 3], outlivesCaller: false, losesAnswers: false };

/** A disk with one file. What is read of it is text once more: with nothing of the objects that were written. */
export function simulatedDisk(): SimulatedDisk {
  let written: Ledger | undefined;
  let onDisk: Ledger | undefined;

  return {
    ledgerOf: (host, process) => ({
      read: () =>
        process.call('disk.read', io, async () => {
          if (written === undefined) return emptyLedger;
          const ledger: Ledger = JSON.parse(JSON.stringify(written));
          if (ledger.desired !== undefined) host.intend(ledger.desired);
          return { ...emptyLedger, ...ledger };
        }),
      write: async (ledger) => {
        await process.call('disk.write', io, async () => {
          written = ledger;
        });
        await process.call('disk.sync', io, async () => {
          onDisk = written;
          if (ledger.desired !== undefined) host.intend(ledger.desired);
        });
      },
    }),
    losePower: () => {
      written = onDisk;
    },
  };
}
