import { CommandFailure, type ExitCode, exitCodes, type PlacedProblem } from './failure.js';
import { styled, type Terminal } from './terminal.js';

/** Prints why the command failed and what to do about it, once; returns the exit code. Programs (--json) get one JSON object. */
export function reportFailure(terminal: Terminal, error: unknown, json: boolean): ExitCode {
  const failure = error instanceof CommandFailure ? error : unexpected(error);
  const { exitCode, message, fix, problems } = failure;
  // The command's answer says it all.
  if (message === '') return exitCode;
  if (json) {
    terminal.writeError(`${JSON.stringify({ error: { exitCode, message, fix, problems } }, null, 2)}\n`);
    return exitCode;
  }
  const mark = styled(terminal, 'red', 'error:');
  // A wait that timed out names its nodes in the message already.
  const listed = exitCode === exitCodes.waitTimeout ? [] : problems;
  if (listed.length === 0) terminal.writeError(`${mark} ${message}\n${fixLine(fix)}`);
  for (const problem of listed) terminal.writeError(`${mark} ${describeProblem(problem)}${fixLine(problem.fix)}`);
  if (listed.length > 1) terminal.writeError(`${listed.length} problems; nothing was changed\n`);
  return exitCode;
}

function describeProblem({ code, path, message, place }: PlacedProblem): string {
  const where = path === '' ? '' : `${path}: `;
  const head = `${where}${message} [${code}]\n`;
  if (place === undefined) return head;
  const number = String(place.line);
  const caret = ' '.repeat(number.length + 3 + place.column - 1);
  return `${head}  at ${place.file}:${place.line}:${place.column}\n  ${number} | ${place.text}\n  ${caret}^\n`;
}

function fixLine(fix: string): string {
  return fix === '' ? '' : `  fix: ${fix}\n`;
}

function unexpected(error: unknown): CommandFailure {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CommandFailure(exitCodes.refused, message, 'This is a fault of the portolan command: please report it with these lines.');
}
