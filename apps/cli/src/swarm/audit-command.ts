import { stringify } from 'yaml';
import type { AddCommand } from '../commands/command.js';
import { CommandFailure, exitCodes } from '../failure.js';

export const addSwarmAudit: AddCommand = (cli, terminal) =>
  cli.command(
    'audit <directory>',
    'Show what Docker should have programmed and has not: what users see of it, and what mends it',
    (command) =>
      command
        .positional('directory', { type: 'string', demandOption: true, describe: 'What portolan swarm collect wrote' })
        .example('$0 swarm audit /tmp/swarm', 'of all nodes, or of one')
        .epilogue(
          'It changes nothing and asks nobody. Exits with 0 when nothing differs, with 1 otherwise. --json: the list of findings, [] when there is none.',
        ),
    async ({ directory, json, output }) => {
      // Whoever runs another command is not to wait for the rooms that read a swarm.
      const { auditCollection, renderFindings } = await import('./audit.js');
      const { findings, nodes } = auditCollection(directory, terminal.directory);
      if (json || output === 'json') terminal.write(`${JSON.stringify(findings, null, 2)}\n`);
      else if (output === 'yaml') terminal.write(stringify(findings, { lineWidth: 0 }));
      else terminal.write(renderFindings(terminal, findings, nodes));
      // The answer says what is wrong.
      if (findings.length > 0) throw new CommandFailure(exitCodes.refused, '', '');
    },
  );
