import type { Problem } from '@portolan/model';
import type { UdpRelayBody, UdpRelayPeerBody } from '@portolan/node-state';
import type { RelayCounters } from './counters.js';

/** What is asked of the program: one line of JSON a connection, answered by one line. */
export type Request =
  | { readonly kind: 'hello' }
  /** Lines as a batch of tool `relay` has them. */
  | { readonly kind: 'change'; readonly text: string }
  | { readonly kind: 'observe' }
  | { readonly kind: 'counters' }
  /** Starts that program, which goes on with device and socket while this one still forwards, and ends. */
  | { readonly kind: 'replace'; readonly program: string }
  /** Ends, with the device. */
  | { readonly kind: 'stop' };

export interface Hello {
  /** Of the program's file; see `versionOf`. */
  readonly version: string;
  readonly pid: number;
}

/** The device and the peers as they are. */
export interface RelayState {
  /** Undefined when there is no device, or it is no longer there. */
  readonly device?: {
    /** With the MTU that the device really has. */
    readonly body: UdpRelayBody;
    /** It is up and its socket works. */
    readonly isWell: boolean;
  };
  readonly peers: readonly UdpRelayPeerBody[];
}

export type Answer =
  | { readonly hello: Hello }
  | { readonly state: RelayState }
  /** Undefined without a device. */
  | { readonly counters: RelayCounters | undefined }
  | { readonly done: true }
  | { readonly problem: Problem };

/** To the thread that forwards. It answers each by its id when it has been carried out. */
export type Command = { readonly id: number } & (
  | ({ readonly kind: 'carry' } & Carried)
  | { readonly kind: 'release' }
  /** `set`: network, prefix length, host, and so on; `deleted`: network, prefix length, and so on. */
  | { readonly kind: 'routes'; readonly set: Int32Array; readonly deleted: Int32Array }
  | { readonly kind: 'stop' }
);

/** What the thread carries packets between. */
export interface Carried {
  readonly tun: number;
  readonly socket: number;
  readonly mtu: number;
  readonly port: number;
  /** Source of ICMP messages, as a number. */
  readonly address: number;
}

export type FromThread =
  | { readonly kind: 'done'; readonly id: number }
  /** The device is gone, or the socket does not work; told once. */
  | { readonly kind: 'lost'; readonly what: 'tun' | 'socket'; readonly why: string };

export interface ThreadSettings {
  readonly counters: SharedArrayBuffer;
  /** End of a pipe that a byte comes from with each command. */
  readonly wake: number;
}

/** From the program that goes to the one that follows it, over the channel between the two. Descriptors are at `handedOver`. */
export type ToHeir = { readonly kind: 'state'; readonly device?: UdpRelayBody; readonly peers: readonly UdpRelayPeerBody[] } | { readonly kind: 'go' };
export type FromHeir = { readonly kind: 'ready' } | { readonly kind: 'taken' };

/** Descriptors that a following program begins with; that of the channel is 3. */
export const handedOver = { tun: 4, socket: 5, lock: 6 } as const;
