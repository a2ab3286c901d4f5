import type { Mac } from '@portolan/model';
import type { ObservedObject, Space } from '@portolan/node-state';
import type { Obstruction } from './obstructions.js';

/** What a scanner recognised in the output of one tool in one namespace. */
export interface Scan {
  readonly objects: readonly ObservedObject[];
  /** Lines in a namespace of our own that are not ours. Elsewhere only what stands in the way of what is wanted, and one rule for each mark that others use. */
  readonly foreign: readonly string[];
  /** Foreign rules that may swallow what is ours. */
  readonly obstructions?: readonly Obstruction[];
}

export type Scanner = (space: Space, output: string) => Scan;

/**
 * One end of a veth of ours, in the namespace in which it was found. `joinVeths` makes objects of the ends of all
 * namespaces; the pair of an end that was not found is damaged, so read both namespaces of a pair or neither.
 */
export interface VethHalf {
  readonly space: Space;
  /** Key of the veth object, from the link's alias; undefined when it was made but not set up, as when an agent dies. */
  readonly key: string | undefined;
  readonly name: string;
  readonly master: string | undefined;
  readonly mtu: number;
  readonly mac: Mac;
  readonly up: boolean;
  /** A port of a bridge that exchanges no frames with other isolated ports. */
  readonly isolated: boolean;
  readonly index: number;
  readonly peerIndex: number;
}

/** A TUN device of the host, as far as the kernel knows it; what it is for is known by the relay. */
export interface TunScan {
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

export interface LinkScan extends Scan {
  readonly halves: readonly VethHalf[];
  /** Names of flannel's VTEPs on the host that are ours: neighbours and forwarding entries on them are ours, too. */
  readonly vteps: readonly string[];
  /** Those that are wanted. */
  readonly tuns: readonly TunScan[];
}
