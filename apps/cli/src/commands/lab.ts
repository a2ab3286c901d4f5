import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommandFailure, exitCodes } from '../failure.js';
import type { AddCommand } from './command.js';

/** Beside this workspace in the repository; the same from src/ and from dist/. */
const labProgram = fileURLToPath(new URL('../../../lab/dist/main.js', import.meta.url));

/** For the help only: `runLab` takes the arguments before any other parser, so that the lab sees its own options. */
export const addLab: AddCommand = (cli) =>
  cli.command('lab [arguments..]', 'Start or stop a laboratory of hosts on this machine (from the repository)', (command) => command);

/** Runs the lab in this terminal and returns its exit code. */
export async function runLab(argv: readonly string[], program = labProgram): Promise<number> {
  if (!existsSync(program)) {
    throw new CommandFailure(exitCodes.refused, 'the lab is not here', 'Run it in a checkout of the repository: "npm run lab" builds and starts it.');
  }
  const lab = spawn(process.execPath, [program, ...argv], { stdio: 'inherit' });
  // Ctrl-C reaches the lab by itself, as it is in the same process group; a signal to this process alone does not.
  const ignore = (): void => {};
  const pass = (): void => void lab.kill('SIGTERM');
  process.on('SIGINT', ignore).on('SIGTERM', pass);
  try {
    return await new Promise((resolve, reject) => {
      lab.once('error', reject);
      lab.once('exit', (code, signal) => resolve(code ?? (signal === null ? 0 : 1)));
    });
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', pass);
  }
}
