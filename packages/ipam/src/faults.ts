import type { ErrorCode, Id, NounKind } from '@portolan/model';
import type { Holder } from './book.js';

/** A value of a noun that must be unique or must come from a pool. */
export type Field =
  | 'name'
  | 'address'
  | 'vni'
  | 'subnet'
  | 'gateway'
  | 'vip'
  | 'mark'
  | 'local-mark'
  | 'port'
  | 'load-balancer'
  | 'gateway-address'
  | 'pod-address';
/** One that is entered in a book; subnets overlap rather than equal. */
export type ClaimField = Exclude<Field, 'subnet'>;

/** Where in a noun a value is: the network of a VIP, mark or address, the position of a port or of an extra subnet. */
export type Place = Id | number | undefined;

/** Why a change cannot be allocated. Knows the object, not the document; the caller knows the path. */
export interface AllocationFault {
  readonly code: ErrorCode;
  readonly subject: { readonly kind: NounKind; readonly id: Id };
  readonly field: Field;
  readonly place: Place;
  readonly message: string;
}

/** More faults than this help nobody. */
export const MAX_FAULTS = 20;

const takenCodes: Readonly<Record<ClaimField, ErrorCode>> = {
  name: 'duplicate-name',
  address: 'address-taken',
  gateway: 'address-taken',
  vip: 'address-taken',
  'load-balancer': 'address-taken',
  'gateway-address': 'address-taken',
  'pod-address': 'address-taken',
  vni: 'vni-taken',
  mark: 'mark-taken',
  'local-mark': 'mark-taken',
  port: 'port-taken',
};

/** What a value is called in a message. */
export const nouns: Readonly<Record<ClaimField, string>> = {
  name: 'the name',
  address: 'the address',
  gateway: 'the address',
  vip: 'the address',
  'load-balancer': 'the address',
  'gateway-address': 'the gateway address',
  'pod-address': 'the address',
  vni: 'the VNI',
  mark: 'the mark',
  'local-mark': 'the mark',
  port: 'the port',
};

export function takenFault(holder: Holder, field: ClaimField, place: Place, value: string | number, other: Holder): AllocationFault {
  return {
    code: takenCodes[field],
    subject: holder,
    field,
    place,
    message: `${nouns[field]} ${value} is taken by the ${other.kind} "${other.name}"`,
  };
}

/** A pool without a free value, for the message. */
interface Exhausted {
  /** With its range, such as `the mark range 256-511`. */
  readonly pool: string;
  readonly size: number;
  /** What one value is called, and several are. */
  readonly unit: readonly [one: string, several: string];
  /** What the values are used as. */
  readonly uses: Iterable<Use>;
  readonly retired: number;
  /** Names of those who use them; left out where they say nothing. */
  readonly holders?: Iterable<Holder>;
}

export type Use = keyof typeof useNames;

const useNames = {
  gateway: ['gateway', 'gateways'],
  vip: ['VIP', 'VIPs'],
  'load-balancer': ['load balancer', 'load balancers'],
  endpoint: ['endpoint', 'endpoints'],
  mark: ['VIP', 'VIPs'],
  'local-mark': ['port of policy local', 'ports of policy local'],
  ingress: ['port of the routing mesh', 'ports of the routing mesh'],
  host: ['port of mode host', 'ports of mode host'],
  network: ['network', 'networks'],
  reserved: ['host, gateway or flannel subnet', 'hosts, gateway and flannel subnets'],
} as const;

/** What an address of a network is used as, by who has it. */
export const addressUses: Readonly<Record<NounKind, Use>> = { network: 'gateway', service: 'vip', node: 'load-balancer', endpoint: 'endpoint' };

/** "the mark range 256-257 (2 marks) has no free mark: 2 VIPs, 1 retired; held by "x", "y"". */
export function exhaustedMessage({ pool, size, unit, uses, retired, holders = [] }: Exhausted): string {
  const counts = new Map<Use, number>();
  for (const use of uses) counts.set(use, (counts.get(use) ?? 0) + 1);
  const parts = [...counts].map(([use, count]) => `${count} ${useNames[use][count === 1 ? 0 : 1]}`);
  if (retired > 0) parts.push(`${retired} retired`);
  const names = listNames(holders);
  const held = names === '' ? '' : `; held by ${names}`;
  return `${pool} (${size} ${unit[size === 1 ? 0 : 1]}) has no free ${unit[0]}: ${parts.length === 0 ? 'nothing is in use' : parts.join(', ')}${held}`;
}

/** The first few names, and how many more there are. */
function listNames(holders: Iterable<Holder>): string {
  const names = [...new Set([...holders].map((holder) => holder.name))];
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
