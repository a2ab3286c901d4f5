import type { ErrorCode, Id, NounKind } from '@portolan/model';
import type { Holder } from './book.js';

/** A value of a noun that must be unique or must come from a pool. */
export type Field = 'name' | 'address' | 'vni' | 'subnet' | 'gateway' | 'vip' | 'mark' | 'port' | 'load-balancer';

/** Where in a noun a value is: the network of a VIP, mark or address, the position of a port. */
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

const takenCodes: Readonly<Record<Exclude<Field, 'subnet'>, ErrorCode>> = {
  name: 'duplicate-name',
  address: 'address-taken',
  gateway: 'address-taken',
  vip: 'address-taken',
  'load-balancer': 'address-taken',
  vni: 'vni-taken',
  mark: 'mark-taken',
  port: 'port-taken',
};

const nouns: Readonly<Record<Exclude<Field, 'subnet'>, string>> = {
  name: 'the name',
  address: 'the address',
  gateway: 'the address',
  vip: 'the address',
  'load-balancer': 'the address',
  vni: 'the VNI',
  mark: 'the mark',
  port: 'the port',
};

export function takenFault(holder: Holder, field: Exclude<Field, 'subnet'>, place: Place, value: string | number, other: Holder): AllocationFault {
  return {
    code: takenCodes[field],
    subject: holder,
    field,
    place,
    message: `${nouns[field]} ${value} is taken by the ${other.kind} "${other.name}"`,
  };
}

const roles: Readonly<Record<NounKind, readonly [string, string]>> = {
  network: ['gateway', 'gateways'],
  service: ['VIP', 'VIPs'],
  node: ['load balancer', 'load balancers'],
  endpoint: ['endpoint', 'endpoints'],
};

/** "1 gateway, 2 VIPs, 3 endpoints": what the addresses of a network are used for. */
export function countRoles(holders: Iterable<Holder>): string {
  const counts = new Map<NounKind, number>();
  for (const holder of holders) counts.set(holder.kind, (counts.get(holder.kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${roles[kind][count === 1 ? 0 : 1]}`).join(', ');
}

/** The first few names, and how many more there are. */
export function listNames(holders: Iterable<Holder>): string {
  const names = [...new Set([...holders].map((holder) => holder.name))];
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
