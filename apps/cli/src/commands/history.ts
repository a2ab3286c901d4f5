import { stringify } from 'yaml';
import type { RevisionAnswer } from '../answers.js';
import { changeStyles } from '../changes-view.js';
import type { DifferenceAnswer, FieldDifference } from '../changeset-answers.js';
import { type Column, renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';
import { showManifest } from './get.js';

const revisionColumns: readonly Column<RevisionAnswer>[] = [
  { title: 'REVISION', value: (row) => row.revision, align: 'right' },
  { title: 'WHEN', value: (row) => row.createdAt },
  { title: 'WHO', value: (row) => row.actor },
  { title: 'FROM', value: (row) => row.from ?? undefined },
  { title: 'WHAT', value: (row) => row.summary },
  { title: 'CHANGES', value: (row) => row.changes.length, align: 'right' },
];

export const addHistory: AddCommand = (cli, terminal) =>
  cli.command(
    ['history', 'revisions'],
    'Show who changed what, when and from where, newest first',
    (command) => command.options({ limit: { type: 'number', default: 20, describe: 'Revisions to show at most' } }),
    inSession(terminal, async (session, { limit }) => {
      const revisions = await session.client.list<RevisionAnswer>(await session.inCluster('revisions'), {}, limit);
      session.show(revisions, () => (revisions.length === 0 ? 'no revisions\n' : renderTable(terminal, revisionColumns, revisions)));
    }),
  );

export const addDiff: AddCommand = (cli, terminal) =>
  cli.command(
    'diff <from> [to]',
    'Show what was changed between two revisions, field by field',
    (command) =>
      command
        .positional('from', { type: 'number', demandOption: true, describe: 'Revision' })
        .positional('to', { type: 'number', describe: 'Revision; the newest unless given' }),
    inSession(terminal, async (session, { from, to }) => {
      const answer = await session.client.get<DifferenceAnswer>(await session.inCluster('diff'), { from, to });
      session.show(answer, () => renderDifference(terminal, answer));
    }),
  );

function renderDifference(terminal: Terminal, { from, to, objects }: DifferenceAnswer): string {
  if (objects.length === 0) return `nothing differs between revision ${from} and revision ${to}\n`;
  const head = `${styled(terminal, 'red', `--- revision ${from}`)}\n${styled(terminal, 'green', `+++ revision ${to}`)}\n`;
  return `${head}${objects.map((item) => renderItem(terminal, item)).join('')}`;
}

const marks = { create: '+', change: '~', delete: '-' } as const;

function renderItem(terminal: Terminal, { action, kind, name, fields }: DifferenceAnswer['objects'][number]): string {
  const heading = styled(terminal, changeStyles[action], `${marks[action]} ${kind} ${name}`);
  return `\n${heading}\n${fields.map((field) => renderField(terminal, field)).join('')}`;
}

function renderField(terminal: Terminal, { path, before, after }: FieldDifference): string {
  const line = (mark: '+' | '-', style: 'green' | 'red', value: unknown): string =>
    value === null ? '' : `${styled(terminal, style, `${mark}   ${path}: ${inline(value)}`)}\n`;
  return `${line('-', 'red', before)}${line('+', 'green', after)}`;
}

/** A value in one line of YAML. */
function inline(value: unknown): string {
  return stringify(value, { lineWidth: 0, collectionStyle: 'flow', defaultStringType: 'PLAIN' }).trimEnd();
}

export const addExport: AddCommand = (cli, terminal) =>
  cli.command(
    'export',
    'Print the whole cluster as a manifest that apply takes, as it is or as it was wanted at a revision',
    (command) =>
      command
        .options({ revision: { type: 'number', requiresArg: true, describe: 'As it was then; the newest unless given' } })
        .example('$0 export > cluster.yaml', 'what portolan apply -f cluster.yaml makes again'),
    inSession(terminal, async (session, { revision }) => showManifest(session, revision)),
  );
