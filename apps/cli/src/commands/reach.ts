import type { ReachedAnswer } from '../explain-answers.js';
import { CommandFailure, exitCodes } from '../failure.js';
import { type Column, renderTable } from '../table.js';
import { type AddCommand, inSession } from './command.js';

const columns: readonly Column<ReachedAnswer>[] = [
  { title: 'FROM', value: ({ from }) => from },
  { title: 'TO', value: ({ to }) => to },
  { title: 'NODE', value: ({ node }) => node ?? undefined },
  { title: 'OUTCOME', value: ({ outcome }) => outcome, style: ({ outcome }) => (outcome === 'delivered' ? 'green' : 'red') },
  { title: 'PATHS', value: ({ delivered, paths }) => `${delivered} of ${paths}` },
  { title: 'REASON', value: ({ outcome, reason }) => (outcome === 'delivered' ? undefined : reason) },
];

export const addReach: AddCommand = (cli, terminal) =>
  cli.command(
    'reach',
    'Show what reaches what: every client and every VIP and published port',
    (command) =>
      command
        .options({
          from: { type: 'string', requiresArg: true, describe: 'Only clients that begin so, such as endpoint:web.' },
          to: { type: 'string', requiresArg: true, describe: 'Only destinations that begin so' },
          observed: { type: 'boolean', default: false, describe: 'By what the agents last saw' },
          limit: { type: 'number', default: 1000, describe: 'Flows to walk at most' },
        })
        .epilogue('Exit code 1 where one of them is not delivered. portolan explain shows the way of each.'),
    inSession(terminal, async (session, { from, to, observed, limit }) => {
      const { items } = await session.client.get<{ items: readonly ReachedAnswer[] }>(await session.inCluster('reach'), { from, to, observed, limit });
      session.show(items, () => (items.length === 0 ? 'there is no such flow\n' : renderTable(terminal, columns, items)));
      const lost = items.filter(({ outcome }) => outcome !== 'delivered').length;
      if (lost > 0)
        throw new CommandFailure(exitCodes.refused, `${lost} of ${items.length} flows are not delivered`, 'portolan explain shows where each ends.');
    }),
  );
