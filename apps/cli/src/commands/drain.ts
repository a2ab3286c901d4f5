import type { DrainAnswer, EndpointAnswer } from '../answers.js';
import { usageFailure } from '../failure.js';
import type { Session } from '../session.js';
import { sendWaiting, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';

export const addDrain: AddCommand = (cli, terminal) =>
  cli.command(
    'drain <endpoint>',
    'Let an endpoint leave without losing a request, or take it back',
    (command) =>
      command
        .positional('endpoint', { type: 'string', demandOption: true, describe: 'Name of the endpoint' })
        .options({
          seconds: { type: 'number', requiresArg: true, describe: 'How long its connections may last at most; as its service says unless given' },
          remove: { type: 'boolean', default: false, describe: 'Delete it when it is drained' },
          cancel: { type: 'boolean', default: false, describe: 'Take it back' },
          wait: { type: 'boolean', default: false, describe: 'Wait until it is safe to stop it; with --cancel until every node has applied it' },
          timeout: waitOptions.timeout,
        })
        .example('$0 drain web.1 --wait && docker stop web-1', 'stop a container when nothing is sent to it any more'),
    inSession(terminal, async (session, { endpoint, seconds, remove, cancel, wait, timeout }) => {
      const path = await session.inCluster('endpoints', endpoint, 'drain');
      if (cancel) {
        if (remove || seconds !== undefined) throw usageFailure('--cancel takes neither --remove nor --seconds', 'Leave one of them out.');
        const answer = await send(session, path, { method: 'DELETE' }, wait ? 'applied' : undefined, timeout);
        return session.show(answer?.body ?? { name: endpoint }, () => `${endpoint} takes part again, revision ${answer?.revision ?? '-'}\n`);
      }
      const body = { ...(seconds === undefined ? {} : { seconds }), remove };
      const answer = await send(session, path, { method: 'POST', body }, wait ? 'drained' : undefined, timeout);
      return session.show(answer?.body ?? { name: endpoint }, () => describeDrain(endpoint, remove, wait, answer?.body.drain ?? null));
    }),
  );

type Sent = Parameters<typeof sendWaiting>[2];

function send(session: Session, path: string, request: Sent, wait: 'applied' | 'drained' | undefined, timeout: number) {
  return wait === undefined ? session.client.send<EndpointAnswer>(path, request) : sendWaiting<EndpointAnswer>(session, path, request, wait, timeout);
}

function describeDrain(name: string, remove: boolean, waited: boolean, drain: DrainAnswer | null): string {
  if (waited || drain?.drained === true) return `${name} is drained${remove ? ' and deleted' : ''}: it is safe to stop it\n`;
  return `${name} gets no new requests; connections may last until ${drain?.deadline ?? 'the deadline'}\n`;
}
