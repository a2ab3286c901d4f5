import type { ExplanationAnswer, FlowChangeAnswer } from '../explain-answers.js';
import { explanationText } from '../explain-view.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { type AddCommand, inSession } from './command.js';

const changeColumns: readonly Column<FlowChangeAnswer>[] = [
  { title: 'FROM', value: ({ from }) => from },
  { title: 'TO', value: ({ to }) => to },
  { title: 'NODE', value: ({ node }) => node ?? undefined },
  { title: 'BEFORE', value: ({ before }) => before ?? undefined },
  { title: 'AFTER', value: ({ after }) => after ?? undefined, style: ({ after }) => (after === 'delivered' ? 'green' : 'red') },
  { title: 'WHAT', value: ({ text }) => text },
];

async function showChanges(session: Session, plan: string): Promise<void> {
  const { items } = await session.client.get<{ items: readonly FlowChangeAnswer[] }>(await session.inCluster('changesets', plan, 'flows'));
  session.show(items, () => (items.length === 0 ? 'no flow changes\n' : renderTable(session.terminal, changeColumns, items)));
}

export const addExplain: AddCommand = (cli, terminal) =>
  cli.command(
    'explain',
    'Show where a packet goes, through which rules, and why it does not arrive',
    (command) =>
      command
        .options({
          from: { type: 'string', requiresArg: true, describe: 'endpoint:NAME, node:NAME, outside or outside:ADDRESS' },
          to: {
            type: 'string',
            requiresArg: true,
            describe: 'NAME[:PORT][/tcp|/udp|/icmp], ADDRESS[:PORT], node:NAME:PORT, endpoint:NAME[:PORT]',
          },
          node: { type: 'string', requiresArg: true, describe: 'The node that a client outside dials' },
          backend: { type: 'string', requiresArg: true, describe: 'Only the path by this endpoint' },
          observed: { type: 'boolean', default: false, describe: 'By what the agents last saw, beside what should be there' },
          size: { type: 'number', describe: 'Bytes of the IP packet [60]' },
          df: { type: 'boolean', default: true, describe: 'It may not be fragmented' },
          diff: { type: 'string', requiresArg: true, describe: 'Which flows this plan would change, instead' },
          minimal: { type: 'boolean', default: false, describe: 'A line for each namespace' },
        })
        .epilogue('Exit code 1 where the packet, or its answer, does not arrive.'),
    inSession(terminal, async (session, { from, to, node, backend, observed, size, df, minimal, diff }) => {
      if (diff !== undefined) return showChanges(session, diff);
      if (from === undefined || to === undefined) throw usageFailure('explain needs --from and --to, or --diff', 'portolan explain --help shows both.');
      const query = { from, to, node, backend, size, df, observed };
      const answer = await session.client.get<ExplanationAnswer>(await session.inCluster('explain'), query);
      session.show(answer, () => explanationText(terminal, answer, minimal));
      const { outcome, reason, fix } = answer.verdict;
      if (outcome !== 'delivered') throw new CommandFailure(exitCodes.refused, `${outcome}: ${reason}`, fix ?? 'See the path above.');
    }),
  );
