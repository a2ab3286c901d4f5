/** Jobs of a list, unless more are asked for. */
export const JOBS_SHOWN = 20;

/** How long a list may be by its argument `limit`: as long as usual where that says nothing, empty where it says less than nothing. */
export function lengthAsked(limit: number | null | undefined, usual: number, most = Number.POSITIVE_INFINITY): number {
  return Math.min(Math.max(limit ?? usual, 0), most);
}
