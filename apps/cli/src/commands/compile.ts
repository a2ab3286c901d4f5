import type { Profile } from '../compile/compile.js';
import { usageFailure } from '../failure.js';
import { readSourceDocument } from '../manifest-file.js';
import type { AddCommand } from './command.js';

const formats = ['commands', 'json', 'dump'] as const;
const profiles = ['portolan', 'docker'] as const satisfies readonly Profile[];

/** The cluster's name, where nobody gives one: nothing of the environment may change what is printed. */
const CLUSTER = 'default';

export const addCompile: AddCommand = (cli, terminal) =>
  cli.command(
    'compile',
    'Print what a manifest makes of a node, offline: as commands, as JSON or as the tools of Linux would show it',
    (command) =>
      command
        .options({
          file: { alias: 'f', type: 'string', requiresArg: true, demandOption: true, describe: 'Manifest, YAML or JSON; - reads standard input' },
          node: { type: 'string', requiresArg: true, demandOption: true, describe: 'Node of the manifest' },
          format: {
            choices: formats,
            describe: 'commands: a shell script; json: the node state; dump: the namespaces as a collection of a swarm has them [commands, with --json json]',
          },
          profile: {
            choices: profiles,
            default: 'portolan' as const,
            describe: "portolan: what our agents apply; docker: Docker 20.10's own names and rules for the same cluster",
          },
          directory: { type: 'string', requiresArg: true, describe: 'With --format dump: a folder to write the files NODE.host.txt and NODE.ns.NAME.txt to' },
          underlay: { type: 'string', requiresArg: true, default: 'eth0', describe: 'Interface of the hosts that a flannel network sends by' },
        })
        .example('$0 compile -f examples/bjdt.yaml --node node1', 'a script that makes the data plane of node1')
        .example('$0 compile -f cluster.yaml --node node1 --profile docker --format dump', 'what Docker would have programmed there'),
    async ({ file, node: name, format, profile, directory, underlay, cluster = CLUSTER, json, output }) => {
      const chosen = format ?? (json || output === 'json' ? 'json' : 'commands');
      if (directory !== undefined && chosen !== 'dump') throw usageFailure('--directory belongs to the files of a dump', 'Add --format dump, or leave it out.');
      // Whoever runs another command is not to wait for the rooms that compute.
      const [{ compileNode }, { printDumps, writeDumps }] = await Promise.all([import('../compile/compile.js'), import('../compile/dump-files.js')]);
      const compiled = compileNode(await readSourceDocument(terminal, file), name, profile, { cluster, underlay });
      for (const note of compiled.notes) terminal.writeError(`note: ${note}\n`);
      if (chosen === 'json') terminal.write(`${JSON.stringify(compiled.json, null, 2)}\n`);
      else if (chosen === 'commands') terminal.write(compiled.commands());
      else if (directory === undefined) terminal.write(printDumps(name, compiled.dumps()));
      else terminal.writeError(`${writeDumps(terminal.directory, directory, name, compiled.dumps())} files are in ${directory}\n`);
    },
  );
