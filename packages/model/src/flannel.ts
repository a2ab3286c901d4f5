import type { Cidr, Ipv4, Mac } from './ipv4.js';
import { type FlannelBackend, type FlannelSpec, flannelPorts, type Id } from './nouns.js';

/** Where flanneld looks unless it is told otherwise. */
export const FLANNEL_PREFIX = '/coreos.com/network';

/** The flannel network of a cluster. What a person left out is null or missing here, so that the registry is written as it was meant. */
export interface Flannel {
  /** Of the registry in etcd. */
  readonly prefix: string;
  readonly network: Cidr;
  readonly subnetLen: number | null;
  readonly subnetMin: Ipv4 | null;
  readonly subnetMax: Ipv4 | null;
  readonly backend: FlannelBackend;
  readonly masquerade: boolean;
  readonly cni: boolean;
  readonly reservations: readonly FlannelReservation[];
  /** Further fields of the configuration in etcd, in their order. */
  readonly registry: NonNullable<FlannelSpec['registry']>;
  /** Backends that were chosen before and that a lease, or a node that has not yet applied the change, may still use; the newest first. */
  readonly retiring: readonly FlannelBackend[];
  /** It goes: nothing of it is wanted on any node, and it is deleted as soon as our leases are given back. */
  readonly leaving: boolean;
  /** Revision that chose the backend: a node that has applied it is ready to be reached by it. */
  readonly backendRevision: number;
  /** Revision at which leases last changed. */
  readonly leasesRevision: number;
  /** Counts the changes that people made, from 1; its ETag. */
  readonly version: number;
}

/** A subnet that is kept for a node, whether it is there or not. */
export interface FlannelReservation {
  readonly nodeId: Id;
  readonly subnet: Cidr;
}

/**
 * An entry below PREFIX/subnets, as it was last read. Expiry is not part of it: it moves with each renewal. Who wrote it is
 * told by the public address: that of a node of ours, or a foreign node's (flanneld).
 */
export interface FlannelLease {
  /** Name of the key, such as 10.244.1.0-24. */
  readonly key: string;
  /** null where the key cannot be read. */
  readonly subnet: Cidr | null;
  /** null where the value cannot be read, or names none. */
  readonly publicAddress: Ipv4 | null;
  /** As in the registry; udp where it names none. */
  readonly backendType: string;
  /** Of backend vxlan; 1 where it names none. */
  readonly vni: number | null;
  readonly vtepMac: Mac | null;
  /** The node of ours that has it; null: a foreign node's, or unreadable. */
  readonly nodeId: Id | null;
  /** A reservation: it has no TTL. */
  readonly reserved: boolean;
  /** What is wrong with the entry; null when nothing is. One with a fault keeps its subnet from being given and does nothing else. */
  readonly fault: string | null;
}

/** A way between hosts: two backends of one path carry the same packets. */
export type FlannelPath = 'udp' | 'host-gw' | `vxlan/${number}`;

/** True when the two say the same. */
export function isSameLease(a: FlannelLease, b: FlannelLease): boolean {
  return (
    a === b ||
    (a.key === b.key &&
      a.subnet === b.subnet &&
      a.publicAddress === b.publicAddress &&
      a.backendType === b.backendType &&
      a.vni === b.vni &&
      a.vtepMac === b.vtepMac &&
      a.nodeId === b.nodeId &&
      a.reserved === b.reserved &&
      a.fault === b.fault)
  );
}

const defaults = {
  vxlan: { vni: 1, port: flannelPorts.vxlan, gbp: false, learning: false, directRouting: false },
  udp: { port: flannelPorts.udp },
} as const;

type VxlanBackend = Extract<FlannelBackend, { type: 'vxlan' }>;
type UdpBackend = Extract<FlannelBackend, { type: 'udp' }>;
/** A backend with every option that has a default. The MTU of vxlan has none: it is that of each host's interface. */
export type CompleteBackend =
  | (Required<Omit<VxlanBackend, 'mtu'>> & Pick<VxlanBackend, 'mtu'>)
  | Required<UdpBackend>
  | Extract<FlannelBackend, { type: 'host-gw' }>;

/** The backend with what was left out filled in, as flanneld does. */
export function completeBackend(backend: FlannelBackend): CompleteBackend {
  switch (backend.type) {
    case 'vxlan':
      return { ...defaults.vxlan, ...backend };
    case 'udp':
      return { ...defaults.udp, ...backend };
    case 'host-gw':
      return backend;
  }
}

/** The path that a backend makes. */
export function pathOfBackend(backend: FlannelBackend): FlannelPath {
  return backend.type === 'vxlan' ? `vxlan/${backend.vni ?? defaults.vxlan.vni}` : backend.type;
}

/** The path by which the holder of a lease is reached; undefined where we do not know its backend. */
export function pathOfLease({ backendType, vni }: Pick<FlannelLease, 'backendType' | 'vni'>): FlannelPath | undefined {
  if (backendType === 'vxlan') return `vxlan/${vni ?? defaults.vxlan.vni}`;
  return backendType === 'host-gw' || backendType === 'udp' ? backendType : undefined;
}

/**
 * The backends that the nodes of a cluster hold: the one that is chosen, and those before it that a lease or a node that has not
 * acknowledged still needs. A peer is reached by the path of its own lease, so both ways exist until the last node has changed.
 */
export function heldBackends({ backend, retiring }: Pick<Flannel, 'backend' | 'retiring'>): readonly FlannelBackend[] {
  return [backend, ...retiring];
}
