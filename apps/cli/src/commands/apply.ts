import type { Change } from '@portolan/model';
import type { ManifestAnswer } from '../answers.js';
import { CommandFailure, exitCodes } from '../failure.js';
import { readSourceDocument, type SourceDocument } from '../manifest-file.js';
import type { Session } from '../session.js';
import { renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';

/** More lines than these help nobody; --json has all of them. */
const MOST_CHANGES_SHOWN = 60;

export const addApply: AddCommand = (cli, terminal) =>
  cli.command(
    'apply',
    'Make the cluster what a manifest says: YAML or JSON, all or nothing',
    (command) =>
      command
        .options({
          file: { alias: 'f', type: 'string', demandOption: true, requiresArg: true, describe: 'Manifest; - reads standard input' },
          'dry-run': { type: 'boolean', default: false, describe: 'Show what would change, and change nothing' },
          force: { type: 'boolean', default: false, describe: 'Delete endpoints at once instead of draining them: their connections break' },
          ...waitOptions,
        })
        .example('$0 apply -f examples/bjdt.yaml --wait', 'apply, and return when every node has applied it'),
    inSession(terminal, async (session, { file, dryRun, force, wait, timeout }) => {
      const document = await readSourceDocument(terminal, file);
      const answer = await sendManifest(session, document, { dryRun: dryRun || undefined, force: force || undefined });
      const waits = wait && !dryRun;
      session.show(answer, () => describeChanges(terminal, answer, dryRun));
      if (!waits) return;
      const start = performance.now();
      await waitForRevision(session, answer.revision, timeout);
      session.note(`revision ${answer.revision} is applied on every node (waited ${Math.round(performance.now() - start)} ms)`);
    }),
  );

async function sendManifest(
  session: Session,
  document: SourceDocument,
  query: { readonly dryRun: true | undefined; readonly force: true | undefined },
): Promise<ManifestAnswer> {
  const path = await session.inCluster('manifest');
  try {
    return (await session.client.send<ManifestAnswer>(path, { method: 'PUT', query, body: document.value })).body;
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.refused) throw error.at(document.locate);
    throw error;
  }
}

const verbs = { create: 'created', change: 'changed', delete: 'deleted' } as const;
const plans = { create: 'create', change: 'change', delete: 'delete' } as const;
const styles = { create: 'green', change: 'yellow', delete: 'red' } as const;

function describeChanges(terminal: Terminal, { changed, changes, revision }: ManifestAnswer, dryRun: boolean): string {
  if (!changed) return `nothing to change: the cluster is as the manifest says, at revision ${revision}\n`;
  const words = dryRun ? plans : verbs;
  const rows = renderTable<Change>(
    terminal,
    [
      { title: 'CHANGE', value: (change) => words[change.action], style: (change) => styles[change.action] },
      { title: 'KIND', value: (change) => change.kind },
      { title: 'NAME', value: (change) => change.name },
    ],
    changes.slice(0, MOST_CHANGES_SHOWN),
  );
  const more = changes.length > MOST_CHANGES_SHOWN ? `… and ${changes.length - MOST_CHANGES_SHOWN} more (--json has all)\n` : '';
  const counts = (['create', 'change', 'delete'] as const)
    .map((action) => ({ action, count: changes.filter((change) => change.action === action).length }))
    .filter(({ count }) => count > 0)
    .map(({ action, count }) => `${count} ${dryRun ? `to ${plans[action]}` : verbs[action]}`)
    .join(', ');
  const outcome = dryRun ? `dry run: ${counts}; nothing was changed` : `revision ${revision}: ${counts}`;
  return `${rows}${more}${styled(terminal, 'bold', outcome)}\n`;
}
