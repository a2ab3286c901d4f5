interface Batch<K, V> {
  readonly keys: Set<K>;
  readonly values: Promise<ReadonlyMap<K, V>>;
}

/** Reads together what the resolvers of many objects ask for at the same time. A key that `read` gives no value for has none. */
export function together<K, V>(read: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>): (key: K) => Promise<V | undefined> {
  let open: Batch<K, V> | undefined;

  function begun(): Batch<K, V> {
    const keys = new Set<K>();
    // Resolvers of a level run one after another, with promises between them at most: by then all have asked.
    const asked = new Promise<void>((resolve) => setImmediate(resolve));
    const values = asked.then(() => {
      open = undefined;
      return read([...keys]);
    });
    return { keys, values };
  }

  return async (key) => {
    open ??= begun();
    open.keys.add(key);
    return (await open.values).get(key);
  };
}

/** The same of what depends on an argument: what is asked for with the same one is read together. */
export function togetherFor<A, K, V>(read: (argument: A, keys: readonly K[]) => Promise<ReadonlyMap<K, V>>): (argument: A, key: K) => Promise<V | undefined> {
  const readers = new Map<string, (key: K) => Promise<V | undefined>>();
  return (argument, key) => {
    const name = JSON.stringify(argument);
    const reader = readers.get(name) ?? together((keys: readonly K[]) => read(argument, keys));
    readers.set(name, reader);
    return reader(key);
  };
}
