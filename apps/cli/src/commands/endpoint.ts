import { basename } from 'node:path';
import type { Attachment, EndpointSpec } from '@portolan/model';
import type { EndpointAnswer, StatusAnswer } from '../answers.js';
import { usageFailure } from '../failure.js';
import type { Session } from '../session.js';
import { departureOf, departureOptions, waitForRevision, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';
import { deleteEndpoint } from './get.js';

export const addEndpoint: AddCommand = (cli, terminal) =>
  cli.command('endpoint', 'Attach containers to services and detach them', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan endpoint attach … or portolan endpoint detach NAME')
      .command(
        'attach',
        'Make a network namespace of a node an endpoint of a service, or let it join attachable networks by itself',
        (attach) =>
          attach
            .options({
              service: { type: 'string', requiresArg: true, describe: 'Service that it answers for' },
              network: { type: 'string', array: true, requiresArg: true, describe: 'Attachable network that it joins without a service' },
              node: { type: 'string', demandOption: true, requiresArg: true, describe: 'Node that it runs on' },
              netns: { type: 'string', requiresArg: true, describe: 'Path of its network namespace on the node' },
              pid: { type: 'number', requiresArg: true, describe: 'Process id of the container on the node' },
              container: { type: 'string', requiresArg: true, describe: 'Name or id of a Docker or podman container on the node' },
              name: {
                type: 'string',
                requiresArg: true,
                describe: 'Name of the endpoint; the container, the file name of the path or SERVICE.PID unless given',
              },
              address: { type: 'string', array: true, requiresArg: true, describe: 'Address in a network, NETWORK=IP; allocated unless given' },
              alias: { type: 'string', array: true, requiresArg: true, describe: 'Another name of it in DNS' },
              weight: { type: 'number', requiresArg: true, describe: 'IPVS weight; 0 takes no new connections' },
              ...waitOptions,
            })
            .conflicts('service', 'network')
            .example('$0 endpoint attach --service web --node node-1 --container web-1 --wait', 'a Docker container takes its share of the requests'),
        inSession(terminal, async (session, args) => {
          const attachment = chooseAttachment(args);
          const { service, network } = args;
          if (service === undefined && network === undefined)
            throw usageFailure('the service of the endpoint is missing', 'Name it with --service, or networks with --network.');
          const spec: EndpointSpec = {
            name: args.name ?? nameOf(attachment, service ?? 'endpoint'),
            ...(service === undefined ? {} : { service }),
            ...(network === undefined ? {} : { networks: network }),
            ...(args.alias === undefined ? {} : { aliases: args.alias }),
            node: args.node,
            attachment,
            ...(args.weight === undefined ? {} : { weight: args.weight }),
            ...(args.address === undefined ? {} : { addresses: args.address.map(parseAddress) }),
          };
          const path = await session.inCluster('endpoints');
          const { body, revision } = await session.client.send<EndpointAnswer>(path, { method: 'POST', body: spec });
          const applied = args.wait && revision !== undefined;
          if (applied) await waitForRevision(session, revision, args.timeout);
          const absent = applied && (await waitsForNamespace(session, body));
          const addresses = body.addresses.map(({ network, address }) => `${address} (${network})`).join(', ');
          session.show(body, () => `attached ${body.name} to ${body.service ?? 'its networks'} on ${body.node}: ${addresses}, revision ${revision ?? '-'}\n`);
          if (absent) session.note(`${body.node} does not see ${spoken(attachment)} yet: ${body.name} gets requests as soon as it is there`);
        }),
      )
      .command(
        'detach <name>',
        'Take an endpoint out of its service, after a drain when it gets requests; its container keeps running',
        (detach) =>
          detach
            .positional('name', { type: 'string', demandOption: true, describe: 'Name of the endpoint' })
            .options({ force: { type: 'boolean', default: false, describe: 'At once: its connections break' }, ...departureOptions }),
        inSession(terminal, async (session, { name, force, wait, timeout }) =>
          deleteEndpoint(session, name, { force, wait: departureOf(wait, 'drained'), timeout }),
        ),
      ),
  );

/** True when the node has reported that the endpoint's objects wait for its namespace. */
async function waitsForNamespace(session: Session, { id, node }: EndpointAnswer): Promise<boolean> {
  const { body } = await session.client.send<StatusAnswer>(await session.inCluster('status'));
  return body.nodes.some(({ name, lastWaiting }) => name === node && lastWaiting.some((key) => key.includes(`endpoint:${id}`)));
}

function spoken(attachment: Attachment): string {
  if ('container' in attachment) return `the container ${attachment.container}`;
  return 'netns' in attachment ? `the namespace ${attachment.netns}` : `the process ${attachment.pid}`;
}

function chooseAttachment({ netns, pid, container }: { netns: string | undefined; pid: number | undefined; container: string | undefined }): Attachment {
  const [attachment, ...others]: Attachment[] = [
    ...(netns === undefined ? [] : [{ netns }]),
    ...(pid === undefined ? [] : [{ pid }]),
    ...(container === undefined ? [] : [{ container }]),
  ];
  if (attachment === undefined) throw usageFailure('the namespace of the endpoint is missing', 'Name it with --netns PATH, --pid PID or --container NAME.');
  if (others.length > 0) throw usageFailure('more than one namespace is named', 'Give exactly one of --netns, --pid and --container.');
  return attachment;
}

/** The same container gets the same name again, so attaching it twice is refused as a duplicate. */
function nameOf(attachment: Attachment, service: string): string {
  if ('container' in attachment) return attachment.container;
  return 'netns' in attachment ? basename(attachment.netns) : `${service}.${attachment.pid}`;
}

function parseAddress(text: string): { network: string; address: string } {
  const [network = '', address = '', ...rest] = text.split('=');
  if (network === '' || address === '' || rest.length > 0)
    throw usageFailure(`--address ${text} is not NETWORK=IP`, 'Write it as --address bjdt_overlay=10.0.0.33.');
  return { network, address };
}
