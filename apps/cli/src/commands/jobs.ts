import type { JobAnswer, JobReportAnswer } from '../answers.js';
import { type Column, renderPairs, renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';
import { stepColumns } from './node.js';

const statuses = ['queued', 'applied', 'failed', 'superseded'] as const;
const statusStyles = { queued: 'yellow', applied: 'green', failed: 'red', superseded: 'dim' } as const;
/** Lines of one command's input or output that a person is shown. */
const MOST_LINES_SHOWN = 200;

export const addJobs: AddCommand = (cli, terminal) =>
  cli.command(
    'jobs',
    'List what was sent to the nodes, newest first',
    (command) =>
      command
        .options({
          node: { type: 'string', requiresArg: true, describe: 'Only jobs of this node' },
          status: { choices: statuses, describe: 'Only jobs in this status' },
          limit: { type: 'number', default: 20, describe: 'Jobs to show at most' },
        })
        .command(
          'show <id>',
          'Show one job: its plan, its commands and what they printed',
          (show) => show.positional('id', { type: 'string', demandOption: true, describe: 'Id of the job' }),
          inSession(terminal, async (session, { id }) => {
            const job = await session.client.get<JobReportAnswer>(await session.inCluster('jobs', id));
            session.show(job, () => describeJob(terminal, job));
          }),
        ),
    inSession(terminal, async (session, { node, status, limit }) => {
      const jobs = await session.client.list<JobAnswer>(await session.inCluster('jobs'), { node, status }, limit);
      session.show(jobs, () => (jobs.length === 0 ? 'no jobs\n' : renderTable(terminal, jobColumns, jobs)));
    }),
  );

const jobColumns: readonly Column<JobAnswer>[] = [
  { title: 'ID', value: (job) => job.id },
  { title: 'NODE', value: (job) => job.node },
  { title: 'STATUS', value: (job) => job.status, style: (job) => statusStyles[job.status] },
  { title: 'REVISION', value: (job) => job.revision, align: 'right' },
  { title: 'GENERATION', value: (job) => job.generation, align: 'right' },
  { title: 'STEPS', value: (job) => job.plan.steps.length, align: 'right' },
  { title: 'CREATED', value: (job) => job.createdAt },
  { title: 'TOOK', value: (job) => (job.finishedAt === null ? undefined : `${Date.parse(job.finishedAt) - Date.parse(job.createdAt)} ms`), align: 'right' },
];

function describeJob(terminal: Terminal, job: JobReportAnswer): string {
  const { report, plan } = job;
  const heading = (words: string): string => `\n${styled(terminal, 'bold', words)}\n`;
  const parts = [
    renderPairs(terminal, [
      ['job', job.id],
      ['node', job.node],
      ['status', styled(terminal, statusStyles[job.status], job.status)],
      ['revision', job.revision],
      ['generation', job.generation],
      ['created', job.createdAt],
      ['finished', job.finishedAt ?? undefined],
    ]),
    heading(`plan against the last report: ${plan.steps.length} steps`),
    plan.steps.length === 0 ? '' : renderTable(terminal, stepColumns, plan.steps),
  ];
  if (report === null) return [...parts, heading('no report yet')].join('');
  parts.push(heading(`the agent ran ${report.steps.length} steps`));
  if (report.steps.length > 0) parts.push(renderTable(terminal, stepColumns, report.steps));
  for (const key of report.waiting) parts.push(`waits for its namespace: ${key}\n`);
  for (const { space, command, input, exitCode, stdout, stderr, milliseconds } of report.commands) {
    parts.push(
      heading(`[${space}] ${command}`),
      `exit code ${exitCode}, ${milliseconds.toFixed(1)} ms\n`,
      quoted('< ', input),
      quoted('> ', stdout),
      quoted('! ', stderr),
    );
  }
  for (const { code, message, fix } of report.errors) parts.push(`\n${styled(terminal, 'red', 'error:')} ${message} [${code}]\n  fix: ${fix}\n`);
  return parts.join('');
}

function quoted(prefix: string, text: string): string {
  if (text.trim() === '') return '';
  const lines = text.trimEnd().split('\n');
  const more = lines.length > MOST_LINES_SHOWN ? `${prefix}… ${lines.length - MOST_LINES_SHOWN} more lines (--json has all)\n` : '';
  return (
    lines
      .slice(0, MOST_LINES_SHOWN)
      .map((line) => `${prefix}${line}\n`)
      .join('') + more
  );
}
