import { canonicalJson, type KernelObject, type ObservedObject, type Origin } from '@portolan/node-state';

/** What asks for an object, in words: `service web on network app`. */
export function asker({ computedBy, lease, network, service, endpoint }: Origin): string {
  const parts = [
    ...(lease === undefined ? [] : [`lease ${lease}`]),
    ...(endpoint === undefined ? [] : [`endpoint ${endpoint}`]),
    ...(service === undefined ? [] : [`service ${service}`]),
    ...(network === undefined ? [] : [`network ${network}`]),
    ...(computedBy === 'flannel' ? ['the flannel network'] : []),
  ];
  return parts.length === 0 ? 'this node' : parts.join(', ');
}

export function missing(object: KernelObject): string {
  return `missing in the kernel; wanted for ${asker(object.origin)}`;
}

export function goneWith(object: KernelObject, what: string): string {
  return `goes with ${what}; wanted for ${asker(object.origin)}`;
}

export function differs(object: KernelObject, observed: ObservedObject): string {
  const fields = observed.body === undefined ? [] : differingFields(observed.body, object.body);
  if (fields.length > 0) return `differs from what is wanted for ${asker(object.origin)}: ${fields.join(', ')}`;
  if (observed.hash === '') return `damaged or incomplete in the kernel; wanted for ${asker(object.origin)}`;
  return `differs from what is wanted for ${asker(object.origin)}`;
}

export const ENDPOINT_ABSENT = 'the namespace of its endpoint is absent';

export const NO_LONGER_WANTED = 'no longer wanted: no network, service, endpoint or lease asks this node for it';

function differingFields(observed: object, wanted: object): string[] {
  const before = new Map<string, unknown>(Object.entries(observed));
  const after = new Map<string, unknown>(Object.entries(wanted));
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => canonicalJson(before.get(name) ?? null) !== canonicalJson(after.get(name) ?? null))
    .map((name) => `${name} is ${spoken(before.get(name))}, not ${spoken(after.get(name))}`);
}

function spoken(value: unknown): string {
  return value === undefined ? 'unset' : typeof value === 'string' ? value : canonicalJson(value);
}
