/** A promise of the product that was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(
    /** Short, the same for every case of it. */
    readonly invariant: string,
    detail: string,
  ) {
    super(`${invariant}: ${detail}`);
  }
}
