const collator = new Intl.Collator('en', { numeric: true });

/** Order of names as people count: node2 before node10. */
export function inNaturalOrder(one: string, other: string): number {
  return collator.compare(one, other);
}
