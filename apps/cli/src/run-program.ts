import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CommandFailure, exitCodes } from './failure.js';

export interface Program {
  readonly name: string;
  /** File that Node runs. */
  readonly file: string;
  /** What to do when it is not there. */
  readonly fix: string;
}

/** Runs a program of its own in this terminal, with these arguments, and returns its exit code. */
export async function runProgram({ name, file, fix }: Program, argv: readonly string[]): Promise<number> {
  if (!existsSync(file)) throw new CommandFailure(exitCodes.refused, `the ${name} is not here`, fix);
  const program = spawn(process.execPath, [file, ...argv], { stdio: 'inherit' });
  // Ctrl-C reaches the program by itself, as it is in the same process group; a signal to this process alone does not.
  const ignore = (): void => {};
  const pass = (): void => void program.kill('SIGTERM');
  process.on('SIGINT', ignore).on('SIGTERM', pass);
  try {
    return await new Promise((resolve, reject) => {
      program.once('error', reject);
      program.once('exit', (code, signal) => resolve(code ?? (signal === null ? 0 : 1)));
    });
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', pass);
  }
}
