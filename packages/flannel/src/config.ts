import { type Flannel, type FlannelSpec, portolanError } from '@portolan/model';

export function encodeConfig(flannel: Flannel): string {
  throw portolanError('internal', '', `not yet: ${flannel.network}`);
}
export function configFault(value: string, flannel: Flannel): 'different' | 'unreadable' | null {
  return value === encodeConfig(flannel) ? null : 'different';
}
export function specOfConfig(value: string, prefix: string): FlannelSpec {
  throw portolanError('invalid-document', '', `not yet: ${prefix} ${value}`);
}
