import type { NodeStatusAnswer, StatusAnswer } from '../answers.js';
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
  { title: 'STATUS', value: statusWord, style: (node) => (node.lastStatus === 'failed' ? 'red' : undefined) },
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

function statusWord({ lastStatus, degraded }: NodeStatusAnswer): string | undefined {
  return degraded === null ? (lastStatus ?? undefined) : `degraded (${degraded.failures} failures)`;
}

function nodeTroubles(node: NodeStatusAnswer): string {
  const { name, degraded, lastErrors, lastWaiting } = node;
  const head = degraded === null ? '' : `${name} is degraded: it has failed ${degraded.failures} times in a row since ${degraded.since}\n`;
  const errors = lastErrors.map((error) => errorText(name, error)).join('');
  const waiting = lastWaiting.length === 0 ? '' : `${name}: ${lastWaiting.length} objects wait for the namespace of an endpoint\n`;
  return `${head}${errors}${waiting}`;
}

/** With the process that failed, what it ended with and what it wrote. */
function errorText(node: string, { code, key, message, fix, command }: NodeStatusAnswer['lastErrors'][number]): string {
  const object = key === undefined ? '' : `${key}: `;
  const ran = command === undefined ? '' : `  ${command.command}: exit code ${command.exitCode}\n${command.stderr.trimEnd().replaceAll(/^(?=.)/gm, '  ! ')}\n`;
  return `${node}: ${object}${message} [${code}]\n${ran}  fix: ${fix}\n`;
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
