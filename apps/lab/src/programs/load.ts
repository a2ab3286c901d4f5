/** What became of a steady load. */
export interface LoadAnswers {
  readonly sent: number;
  readonly seconds: number;
  /** Answered requests by endpoint. */
  readonly answers: Readonly<Record<string, number>>;
  /** Each with when it was sent, in milliseconds since 1970. */
  readonly failures: readonly { readonly at: number; readonly error: string }[];
}
