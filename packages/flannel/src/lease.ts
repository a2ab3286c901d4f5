import { type Cidr, type FlannelLease, type FlannelPath, type Ipv4, type Mac, portolanError } from '@portolan/model';
import type { RegistryEntry } from './registry.js';

export interface LeaseValue {
  readonly publicAddress: Ipv4;
  readonly path: FlannelPath;
  readonly vtepMac: Mac | null;
}

export function leaseKey(subnet: Cidr): string {
  return subnet.replace('/', '-');
}
export function encodeLease({ publicAddress }: LeaseValue): string {
  throw portolanError('internal', '', `not yet: ${publicAddress}`);
}
export function readLease({ key }: RegistryEntry): FlannelLease {
  throw portolanError('internal', '', `not yet: ${key}`);
}
