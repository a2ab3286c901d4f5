import type { ExplanationAnswer } from '../explain-answers.js';
import { explanationText } from '../explain-view.js';
import { CommandFailure, exitCodes } from '../failure.js';
import { type AddCommand, inSession } from './command.js';

export const addExplain: AddCommand = (cli, terminal) =>
  cli.command(
    'explain',
    'Show where a packet goes, through which rules, and why it does not arrive',
    (command) =>
      command
        .options({
          from: { type: 'string', requiresArg: true, demandOption: true, describe: 'endpoint:NAME, node:NAME, outside or outside:ADDRESS' },
          to: {
            type: 'string',
            requiresArg: true,
            demandOption: true,
            describe: 'NAME[:PORT][/tcp|/udp|/icmp], ADDRESS[:PORT], node:NAME:PORT, endpoint:NAME[:PORT]',
          },
          node: { type: 'string', requiresArg: true, describe: 'The node that a client outside dials' },
          backend: { type: 'string', requiresArg: true, describe: 'Only the path by this endpoint' },
          observed: { type: 'boolean', default: false, describe: 'By what the agents last saw, beside what should be there' },
          size: { type: 'number', describe: 'Bytes of the IP packet [60]' },
          df: { type: 'boolean', default: true, describe: 'It may not be fragmented' },
          minimal: { type: 'boolean', default: false, describe: 'A line for each namespace' },
        })
        .epilogue('Exit code 1 where the packet, or its answer, does not arrive.'),
    inSession(terminal, async (session, { from, to, node, backend, observed, size, df, minimal }) => {
      const query = { from, to, node, backend, size, df, observed };
      const answer = await session.client.get<ExplanationAnswer>(await session.inCluster('explain'), query);
      session.show(answer, () => explanationText(terminal, answer, minimal));
      const { outcome, reason, fix } = answer.verdict;
      if (outcome !== 'delivered') throw new CommandFailure(exitCodes.refused, `${outcome}: ${reason}`, fix ?? 'See the path above.');
    }),
  );
