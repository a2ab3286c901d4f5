import { setTimeout } from 'node:timers/promises';
import type { DriftEventAnswer } from '../answers.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';

const WATCH_MS = 1000;
/** Newest events that a watch looks at: what drifts and is repaired between two looks is among them. */
const WATCHED = 200;

const outcomeStyles = { open: 'red', repaired: 'green', gone: 'dim' } as const;

const columns: readonly Column<DriftEventAnswer>[] = [
  { title: 'NODE', value: ({ node }) => node },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'OBJECT', value: ({ key }) => key },
  { title: 'SINCE', value: ({ since }) => since },
  { title: 'OUTCOME', value: outcomeText, style: ({ outcome }) => outcomeStyles[outcome] },
  { title: 'REASON', value: ({ reason }) => reason },
];

export const addDrift: AddCommand = (cli, terminal) =>
  cli.command(
    'drift',
    'Show what in the kernels is not as it was applied, though nobody wanted that',
    (command) =>
      command
        .options({
          node: { type: 'string', requiresArg: true, describe: 'Only of this node' },
          all: { type: 'boolean', default: false, describe: 'Also what was repaired, or is gone' },
          limit: { type: 'number', default: 100, describe: 'Events to show at most' },
          watch: { type: 'boolean', default: false, describe: 'Go on, with a line for whatever drifts, is repaired or goes' },
        })
        .epilogue('KIND obstructed: ours is as it should be, but a rule of somebody else swallows traffic before it. --json has what was expected and found.'),
    inSession(terminal, async (session, { node, all, limit, watch }) => {
      if (watch) return watchDrift(session, node, all);
      const outcome = all ? undefined : 'open';
      const events = await session.client.list<DriftEventAnswer>(await session.inCluster('drift'), { node, outcome }, limit);
      session.show(events, () =>
        events.length === 0 ? `${all ? 'nothing has drifted' : 'no drift: the kernels are as they were applied'}\n` : renderTable(terminal, columns, events),
      );
    }),
  );

/** Until it is interrupted, or the control plane refuses. `all`: begins with what is over. */
async function watchDrift(session: Session, node: string | undefined, all: boolean): Promise<never> {
  const path = await session.inCluster('drift');
  const told = new Map<string, string>();
  for (let first = true; ; first = false) {
    const events = await session.client.list<DriftEventAnswer>(path, { node }, WATCHED);
    for (const event of [...events].reverse()) {
      const time = `${event.node} ${event.key} ${event.since}`;
      if (told.get(time) === event.outcome) continue;
      told.set(time, event.outcome);
      if (first && !all && event.outcome !== 'open') continue;
      session.terminal.write(session.format === 'table' ? line(session.terminal, event) : `${JSON.stringify(event)}\n`);
    }
    await setTimeout(WATCH_MS);
  }
}

function line(terminal: Terminal, event: DriftEventAnswer): string {
  const { node, kind, key, since, endedAt, outcome, reason } = event;
  return `${endedAt ?? since} ${node} ${styled(terminal, outcomeStyles[outcome], outcomeText(event))} ${kind} ${key}: ${reason}\n`;
}

function outcomeText({ outcome, since, endedAt }: DriftEventAnswer): string {
  if (outcome !== 'repaired' || endedAt === null) return outcome;
  return `repaired after ${Math.max(0, Date.parse(endedAt) - Date.parse(since))} ms`;
}
