/** Remembers what the books were before, so that a refused edit leaves them as it found them. */
export class Journal {
  #undo: (() => void)[] | null = null;

  begin(): void {
    this.#undo = [];
  }

  note(undo: () => void): void {
    this.#undo?.push(undo);
  }

  keep(): void {
    this.#undo = null;
  }

  rollBack(): void {
    const undo = this.#undo ?? [];
    this.#undo = null;
    for (let i = undo.length - 1; i >= 0; i--) undo[i]?.();
  }
}
