import type { ClusterAnswer } from '../answers.js';
import { type AddCommand, inSession } from './command.js';
import { deleteObject } from './get.js';

export const addCluster: AddCommand = (cli, terminal) =>
  cli.command('cluster', 'Make and delete clusters', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan cluster create NAME or portolan cluster delete NAME')
      .command(
        'create <name>',
        'Make an empty cluster with the usual settings',
        (create) => create.positional('name', { type: 'string', demandOption: true }),
        inSession(terminal, async (session, { name }) => {
          const { body } = await session.client.send<ClusterAnswer>('/v1/clusters', { method: 'POST', body: { name } });
          session.show(body, () => `created cluster ${body.name}\n`);
        }),
      )
      .command(
        'delete <name>',
        'Delete a cluster with everything in it; its agents take their rules out',
        (remove) => remove.positional('name', { type: 'string', demandOption: true }),
        inSession(terminal, async (session, { name }) => deleteObject(session, 'clusters', name, undefined)),
      ),
  );
