/** Lines that are kept for people. */
const KEPT = 400;

/** What happened, line by line. Two runs with one hash were the same run. */
export class Trace {
  readonly #lines: string[] = [];
  #high = 0xdeadbeef;
  #low = 0x41c6ce57;
  #count = 0;

  /** `echo` is told of each line at once. */
  constructor(private readonly echo?: (line: string) => void) {}

  add(at: number, text: string): void {
    const line = `${(at / 1000).toFixed(4)} ${text}`;
    this.#count += 1;
    this.#mix(line);
    this.#lines.push(line);
    if (this.#lines.length > 2 * KEPT) this.#lines.splice(0, KEPT);
    this.echo?.(line);
  }

  /** Two 32-bit states, each multiplied and mixed by every character (cyrb53). */
  #mix(text: string): void {
    let [high, low] = [this.#high, this.#low];
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      high = Math.imul(high ^ code, 2654435761);
      low = Math.imul(low ^ code, 1597334677);
    }
    this.#high = high;
    this.#low = low;
  }

  get hash(): string {
    return `${(this.#high >>> 0).toString(16).padStart(8, '0')}${(this.#low >>> 0).toString(16).padStart(8, '0')}-${this.#count}`;
  }

  last(lines: number): readonly string[] {
    return this.#lines.slice(-lines);
  }
}
