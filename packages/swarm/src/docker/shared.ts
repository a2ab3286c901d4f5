/**
 * Remembers what `make` gives for an object. What does not depend on the node is made once for all nodes; the pieces are immutable, so the
 * namespaces share them.
 */
export function oncePer<K extends object, T>(make: (key: K) => T): (key: K) => T {
  const made = new WeakMap<K, { readonly value: T }>();
  return (key) => {
    const known = made.get(key) ?? { value: make(key) };
    made.set(key, known);
    return known.value;
  };
}
