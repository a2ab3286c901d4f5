import type { Ipv4 } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { Path, Transport } from './explanation.js';
import type { World } from './world.js';

/** A packet that is about to be sent. */
export interface Start {
  /** Name of the host that it is sent on; null: from outside the cluster. */
  readonly node: string | null;
  /** `outside` where `node` is null. */
  readonly space: Space | 'outside';
  /** Chosen by the route unless given; of a client outside it has to be. */
  readonly source?: Ipv4 | undefined;
  readonly destination: Ipv4;
  readonly transport: Transport;
  /** null of icmp. */
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** Bytes of the IP packet. */
  readonly size: number;
  readonly df: boolean;
}

/**
 * The ways of one packet through the kernels of a world, one for each real server that may get it, each with its answer's way back and a
 * verdict. `backend`: only that by the real server with this address.
 */
export function pathsOf(world: World, start: Start, backend?: Ipv4): readonly Path[] {
  throw new Error(`not built: ${world.view} ${start.destination} ${backend}`);
}
