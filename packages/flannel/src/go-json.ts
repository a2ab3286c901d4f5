/** Fields of a JSON object by name in lower case, without those that are null. */
export type Fields = ReadonlyMap<string, unknown>;

/**
 * An object as Go's decoder sees it, which is what flanneld reads with: names match whatever their case, the last of several counts, and
 * null says nothing. undefined for anything but an object.
 */
export function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, unknown>();
  for (const [name, field] of Object.entries(value)) if (field !== null) fields.set(name.toLowerCase(), field);
  return fields;
}

/** The same of a text; undefined where it is no JSON, or no object. */
export function fieldsOfText(text: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Compact JSON with what Go's encoder escapes beyond the standard, so that HTML can hold it. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A text of somebody else's for a message or a database: no control characters, at most 120 characters. */
export function printable(text: string): string {
  const shown = text.replace(/\p{C}/gu, (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`);
  return shown.length > 120 ? `${shown.slice(0, 119)}…` : shown;
}
