import { type NounKind, portolanError } from '@portolan/model';
import { shownValue } from './schema-problems.js';

/** The document after a JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces. Throws `invalid-document`. */
export function mergePatch(document: object, patch: unknown): unknown {
  if (!isObject(patch)) throw portolanError('invalid-document', '', `${shownValue(patch)} is not a JSON merge patch: expected an object`);
  return merged(document, patch);
}

function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  // A map, since members may have names such as "__proto__".
  const members = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, merged(members.get(name), value));
  }
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/**
 * The patched spec without allocated values that a patch of something else makes impossible: VIPs and marks when the
 * endpoint mode becomes dnsrr, addresses in networks that an endpoint no longer joins. They were never asked for.
 */
export function withoutStalePins(kind: NounKind, spec: unknown, patch: unknown): unknown {
  if (!isObject(spec) || !isObject(patch)) return spec;
  const [before, change]: [Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>] = [{ ...spec }, { ...patch }];
  if (kind === 'service' && change.endpointMode === 'dnsrr' && change.networks === undefined && Array.isArray(before.networks)) {
    return { ...before, networks: before.networks.map(({ vip: _vip, mark: _mark, ...kept }) => kept) };
  }
  const { networks } = change;
  if (kind === 'endpoint' && networks !== undefined && change.addresses === undefined && Array.isArray(before.addresses)) {
    return { ...before, addresses: before.addresses.filter(({ network }) => Array.isArray(networks) && networks.includes(network)) };
  }
  return spec;
}
