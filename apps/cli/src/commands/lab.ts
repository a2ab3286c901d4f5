import { fileURLToPath } from 'node:url';
import { type Program, runProgram } from '../run-program.js';
import type { AddCommand } from './command.js';

/** Beside this workspace in the repository; the same from src/ and from dist/. */
const lab: Program = {
  name: 'lab',
  file: fileURLToPath(new URL('../../../lab/dist/main.js', import.meta.url)),
  fix: 'Run it in a checkout of the repository: "npm run lab" builds and starts it.',
};

/** For the help only: `runLab` takes the arguments before any other parser, so that the lab sees its own options. */
export const addLab: AddCommand = (cli) =>
  cli.command('lab [arguments..]', 'Start or stop a laboratory of hosts on this machine (from the repository)', (command) => command);

/** Runs the lab in this terminal and returns its exit code. */
export async function runLab(argv: readonly string[], file = lab.file): Promise<number> {
  return runProgram({ ...lab, file }, argv);
}
