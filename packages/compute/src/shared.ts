import type { NetworkRoster } from './roster.js';

/**
 * Remembers what `make` gives for a roster. What does not depend on the node is made once for all nodes; the objects
 * are immutable, so the node states share them.
 */
export function oncePerNetwork<T>(make: (roster: NetworkRoster) => T): (roster: NetworkRoster) => T {
  const made = new WeakMap<NetworkRoster, { readonly value: T }>();
  return (roster) => {
    const known = made.get(roster) ?? { value: make(roster) };
    made.set(roster, known);
    return known.value;
  };
}
