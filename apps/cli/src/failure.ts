import type { Problem } from '@portolan/model';

/** What the command's exit code says. Part of the published behaviour: see --help. */
export const exitCodes = {
  ok: 0,
  /** The control plane refused it, or it failed. */
  refused: 1,
  usage: 2,
  /** A plan was made, but findings block it. */
  blocked: 2,
  unreachable: 3,
  /** The change is committed; not every node applied it, or it was not drained, in time. */
  waitTimeout: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Where in a file that a person wrote. */
export interface SourcePlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Text of the line. */
  readonly text: string;
}

export interface PlacedProblem extends Problem {
  readonly place?: SourcePlace | undefined;
}

/** Why a command ends without success: printed once, at the edge, with its exit code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';

  constructor(
    readonly exitCode: ExitCode,
    message: string,
    /** What the reader can do about it. */
    readonly fix: string,
    /** What the control plane found wrong, when it was the one that refused. */
    readonly problems: readonly PlacedProblem[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The same, with the problems' places in the document that was sent. */
  at(locate: (pointer: string) => SourcePlace | undefined): CommandFailure {
    const placed = this.problems.map((problem) => ({ ...problem, place: problem.path.startsWith('/') ? locate(problem.path) : undefined }));
    return new CommandFailure(this.exitCode, this.message, this.fix, placed, { cause: this.cause });
  }
}

export function usageFailure(message: string, fix: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, message, fix);
}
