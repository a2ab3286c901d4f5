import type { Ipv4 } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { PacketHeaders } from '../explanation.js';

/** What connection tracking knows a flow by, in one direction. */
export interface Tuple {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
}

/** That a flow came into a namespace, or began there, as `original`, and left it, or was delivered there, as `translated`. */
export interface Connection {
  readonly node: string;
  readonly space: Space;
  readonly original: Tuple;
  readonly translated: Tuple;
}

export function tupleOf({ source, destination, sourcePort, destinationPort }: PacketHeaders): Tuple {
  return { source, destination, sourcePort, destinationPort };
}

export function reversed({ source, destination, sourcePort, destinationPort }: Tuple): Tuple {
  return { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort };
}

export function isSame(one: Tuple, other: Tuple): boolean {
  return (
    one.source === other.source && one.destination === other.destination && one.sourcePort === other.sourcePort && one.destinationPort === other.destinationPort
  );
}

/** `10.0.0.21:80`; of icmp the address alone. */
export function endOf(address: Ipv4, port: number | null): string {
  return port === null ? address : `${address}:${port}`;
}
