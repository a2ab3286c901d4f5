import { closest, distance } from 'fastest-levenshtein';

/** The name that was probably meant, undefined when none is near. */
export function nearestName(wrong: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  if (names.length === 0) return undefined;
  const nearest = closest(wrong, names);
  return distance(wrong, nearest) <= Math.max(1, Math.floor(wrong.length / 3)) ? nearest : undefined;
}
