import type { SwarmPort } from './facts.js';

/** Orders of the lists of a swarm, so that two that hold the same are equal. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return compare(a.id, b.id);
}

/** By name, and where two have one name by id. */
export function byName(a: { readonly name: string; readonly id: string }, b: { readonly name: string; readonly id: string }): number {
  return compare(a.name, b.name) || compare(a.id, b.id);
}

export function byNetwork(a: { readonly networkId: string }, b: { readonly networkId: string }): number {
  return compare(a.networkId, b.networkId);
}

export function byPort(a: SwarmPort, b: SwarmPort): number {
  return compare(a.protocol, b.protocol) || a.published - b.published || a.target - b.target;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
