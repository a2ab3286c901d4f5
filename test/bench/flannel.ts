import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.js';
import { fleetJoined } from './flannel-fleet.js';
import { pathsCompared } from './flannel-paths.js';
import { peersProgrammed } from './flannel-peers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PEERS = 5_000;

/** flannel on this machine's own kernel: peers programmed beside the bare tools, the backends beside one another, and a large registry. */
export const flannel: Bench = async (report) => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  const directory = mkdtempSync(join(root, '.portolan/bench-flannel-'));
  try {
    return [
      ...(await peersProgrammed(PEERS, report, join(directory, 'peers'))),
      ...(await pathsCompared(report, join(directory, 'paths'))),
      ...(await fleetJoined(PEERS, report, join(directory, 'fleet'))),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
