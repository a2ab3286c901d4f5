import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { reasonOf } from '../exchange.js';
import { CommandFailure, exitCodes } from '../failure.js';
import { addSwarmAudit } from '../swarm/audit-command.js';
import { styled, type Terminal } from '../terminal.js';
import type { AddCommand } from './command.js';

const DOCKER_SOCKET = 'unix:///var/run/docker.sock';
const NAMESPACES = '/var/run/docker/netns';

export const addSwarm: AddCommand = (cli, terminal) =>
  cli.command('swarm', 'A Docker swarm: collect what it is, audit it, and import it as a cluster', (command) =>
    addSwarmAudit(command, terminal)
      .demandCommand(1, 'Say what to do: portolan swarm collect, audit or import')
      .command(
        'collect <directory>',
        "Write what Docker says of the swarm, and each namespace's kernel state, to a directory (on a node, as root)",
        (collect) =>
          collect
            .positional('directory', { type: 'string', demandOption: true, describe: 'Made if it is not there; several nodes may share it' })
            .options({
              host: { type: 'string', requiresArg: true, default: DOCKER_SOCKET, describe: 'Socket of Docker on this host' },
              'netns-directory': { type: 'string', requiresArg: true, default: NAMESPACES, describe: 'Where Docker keeps its namespaces' },
              node: { type: 'string', requiresArg: true, describe: 'Name of this node in the names of the files; the host name unless given' },
            })
            .example('$0 swarm collect /tmp/swarm', 'on each node, and a manager at least; it changes nothing')
            .epilogue('Copy the files of all nodes into one directory for audit and import.'),
        async ({ directory, host, netnsDirectory, node, json }) => {
          const { collectNode } = await import('../swarm/collect.js');
          const collected = await collectNode(resolve(terminal.directory, directory), { host, netnsDirectory, node });
          if (json) terminal.write(`${JSON.stringify(collected, null, 2)}\n`);
          else {
            showNotes(terminal, collected.notes);
            const { files, node: name, manager } = collected;
            terminal.write(`${name} (${manager ? 'manager' : 'worker'}): ${files.length} files in ${directory}\n`);
          }
        },
      )
      .command(
        'import <directory>',
        'Print a collected swarm as a manifest: applied to an empty cluster it keeps every address',
        (read) =>
          read
            .positional('directory', { type: 'string', demandOption: true, describe: 'What portolan swarm collect wrote' })
            .options({ file: { type: 'string', requiresArg: true, describe: 'Write the manifest to this file' } })
            .example('$0 swarm import /tmp/swarm --file cluster.yaml', 'then portolan apply -f cluster.yaml'),
        async ({ directory, file, json, output }) => {
          // Whoever runs another command is not to wait for the rooms that read a swarm.
          const { importSwarm, manifestText } = await import('../swarm/import.js');
          const imported = importSwarm(directory, terminal.directory);
          const text = json || output === 'json' ? `${JSON.stringify(imported.manifest, null, 2)}\n` : manifestText(imported);
          showNotes(terminal, imported.notes);
          if (file === undefined) terminal.write(text);
          else writeManifest(terminal, file, text);
        },
      ),
  );

/** What is not as people may expect: beside the answer, so that this can be piped on. */
function showNotes(terminal: Terminal, notes: readonly string[]): void {
  for (const note of notes) terminal.writeError(`${styled(terminal, 'yellow', 'note:')} ${note}\n`);
}

function writeManifest(terminal: Terminal, file: string, text: string): void {
  try {
    writeFileSync(resolve(terminal.directory, file), text);
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, `cannot write ${file}: ${reasonOf(error)}`, 'Name a file that can be written to.', [], { cause: error });
  }
}
