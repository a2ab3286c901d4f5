import { fileURLToPath } from 'node:url';
import { type Program, runProgram } from '../run-program.js';
import type { AddCommand } from './command.js';

/** A program of its own, which needs nothing of this command: a host may have it alone, as portolan-agent. */
const agent: Program = {
  name: 'agent',
  file: fileURLToPath(new URL('../../../agent/dist/bundle/portolan-agent.js', import.meta.url)),
  fix: 'Build it: "npm run build" in a checkout of the repository.',
};

/** For the help only: `runAgent` takes the arguments before any other parser, so that the agent sees its own options. */
export const addAgent: AddCommand = (cli) =>
  cli.command('agent [arguments..]', 'Run the agent of this host: --join TOKEN --server URL the first time (see agent --help)', (command) => command);

/** Runs the agent in this terminal and returns its exit code. */
export async function runAgent(argv: readonly string[], file = agent.file): Promise<number> {
  return runProgram({ ...agent, file }, argv);
}
