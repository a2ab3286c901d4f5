import { runPortolan } from './cli.js';
import { processTerminal } from './terminal.js';

// A reader that has enough (head, less) closes the pipe: that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await runPortolan(process.argv.slice(2), processTerminal());
