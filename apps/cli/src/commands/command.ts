import type { Argv } from 'yargs';
import { type GlobalArguments, Session } from '../session.js';
import type { Terminal } from '../terminal.js';

/** Adds a command to the tree. */
export type AddCommand = (cli: Argv<GlobalArguments>, terminal: Terminal) => Argv<GlobalArguments>;

/** A handler that opens the session from the global options first. */
export function inSession<A extends GlobalArguments>(terminal: Terminal, run: (session: Session, args: A) => Promise<void>): (args: A) => Promise<void> {
  return (args) => run(new Session(terminal, args), args);
}
