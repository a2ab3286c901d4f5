import type { NodeStatusAnswer, RevisionAnswer, StatusAnswer } from '../answers.js';
import { agentStyle, agentWord } from '../kinds.js';
import { type Column, renderTable } from '../table.js';
import { styled } from '../terminal.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';

const nodeColumns: readonly Column<NodeStatusAnswer>[] = [
  { title: 'NODE', value: (node) => node.name },
  { title: 'AGENT', value: (node) => agentWord(node.alive), style: (node) => agentStyle(node.alive) },
  { title: 'GENERATION', value: (node) => node.generation, align: 'right' },
  { title: 'COMPUTED', value: (node) => node.computedRevision, align: 'right' },
  {
    title: 'APPLIED',
    value: (node) => node.appliedRevision,
    align: 'right',
    style: (node) => (node.appliedRevision < node.computedRevision ? 'yellow' : undefined),
  },
  { title: 'LAST REPORT', value: (node) => node.lastReportAt ?? undefined },
  { title: 'STATUS', value: (node) => node.lastStatus ?? undefined, style: (node) => (node.lastStatus === 'failed' ? 'red' : undefined) },
];

export const addStatus: AddCommand = (cli, terminal) =>
  cli.command(
    'status',
    'Show how far the cluster is: intent, computed, applied, and each node',
    (command) => command,
    inSession(terminal, async (session) => {
      const status = await session.client.get<StatusAnswer>(await session.inCluster('status'));
      session.show(status, () => {
        const done = status.appliedRevision >= status.intentRevision;
        const summary = `cluster ${status.cluster}: revision ${status.intentRevision}, computed ${status.computedRevision}, applied ${status.appliedRevision}`;
        const nodes = status.nodes.length === 0 ? 'no nodes\n' : renderTable(terminal, nodeColumns, status.nodes);
        return `${styled(terminal, done ? 'green' : 'yellow', summary)}\n\n${nodes}${status.nodes.map((node) => nodeTroubles(node)).join('')}`;
      });
    }),
  );

function nodeTroubles({ name, lastErrors, lastWaiting }: NodeStatusAnswer): string {
  const errors = lastErrors.map(({ code, message, fix }) => `${name}: ${message} [${code}]\n  fix: ${fix}\n`).join('');
  return lastWaiting.length === 0 ? errors : `${errors}${name}: ${lastWaiting.length} objects wait for the namespace of an endpoint\n`;
}

export const addWait: AddCommand = (cli, terminal) =>
  cli.command(
    'wait',
    'Wait until every node has applied a revision',
    (command) =>
      command.options({
        revision: { type: 'number', requiresArg: true, describe: 'Revision to wait for; the newest unless given' },
        timeout: waitOptions.timeout,
      }),
    inSession(terminal, async (session, { revision, timeout }) => {
      const wanted = revision ?? (await session.client.get<StatusAnswer>(await session.inCluster('status'))).intentRevision;
      const answer = await waitForRevision(session, wanted, timeout);
      session.show(answer, () => `revision ${wanted} is applied on every node\n`);
    }),
  );

const revisionColumns: readonly Column<RevisionAnswer>[] = [
  { title: 'REVISION', value: (row) => row.revision, align: 'right' },
  { title: 'WHEN', value: (row) => row.createdAt },
  { title: 'BY', value: (row) => row.actor },
  { title: 'WHAT', value: (row) => row.summary },
  { title: 'CHANGES', value: (row) => row.changes.length, align: 'right' },
];

export const addRevisions: AddCommand = (cli, terminal) =>
  cli.command(
    'revisions',
    'List the changes of the intent, newest first',
    (command) => command.options({ limit: { type: 'number', default: 20, describe: 'Revisions to show at most' } }),
    inSession(terminal, async (session, { limit }) => {
      const revisions = await session.client.list<RevisionAnswer>(await session.inCluster('revisions'), {}, limit);
      session.show(revisions, () => (revisions.length === 0 ? 'no revisions\n' : renderTable(terminal, revisionColumns, revisions)));
    }),
  );
