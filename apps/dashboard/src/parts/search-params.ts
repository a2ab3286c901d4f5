/** The query of an address with parts of it changed; null, undefined and the empty text take a part away. */
export function withChanges(search: URLSearchParams, changes: Readonly<Record<string, string | null | undefined>>): URLSearchParams {
  const next = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value == null || value === '') next.delete(name);
    else next.set(name, value);
  }
  return next;
}
