import type { ManifestAnswer } from '../answers.js';
import { changed, countsOf, renderChanges, toChange } from '../changes-view.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';
import { readSourceDocument, type SourceDocument } from '../manifest-file.js';
import type { Session } from '../session.js';
import { styled, type Terminal } from '../terminal.js';
import { waitForRevision, waitOptions } from '../waiting.js';
import { applyPlan, givenPlanOption, planOptions } from './apply-plan.js';
import { type AddCommand, inSession } from './command.js';

export const addApply: AddCommand = (cli, terminal) =>
  cli.command(
    'apply',
    'Make the cluster what a manifest says, all or nothing; or roll out what was planned, node by node',
    (command) =>
      command
        .options({
          file: { alias: 'f', type: 'string', requiresArg: true, describe: 'Manifest, YAML or JSON; - reads standard input' },
          'dry-run': { type: 'boolean', default: false, describe: 'Show what would change, and change nothing' },
          force: { type: 'boolean', default: false, describe: 'Delete endpoints at once instead of draining them: their connections break' },
          ...planOptions,
          ...waitOptions,
        })
        .conflicts('file', 'plan')
        .example('$0 apply -f examples/bjdt.yaml --wait', 'apply, and return when every node has applied it')
        .example('$0 apply --plan ID --parallelism 1 --failure-action rollback --wait', 'one node after the other, and back when one fails'),
    inSession(terminal, async (session, args) => {
      const { plan, file, dryRun, force, wait, timeout } = args;
      if (plan !== undefined) {
        if (dryRun || force) throw usageFailure('--dry-run and --force belong to a manifest', 'Leave them out: what --plan does was shown by portolan plan.');
        return applyPlan(session, plan, args);
      }
      if (file === undefined) throw usageFailure('there is nothing to apply', 'Name a manifest with -f, or what was planned with --plan.');
      const option = givenPlanOption(args);
      if (option !== undefined) throw usageFailure(`--${option} belongs to a plan`, 'Make one with "portolan plan -f FILE", and apply it with --plan.');
      return applyManifest(session, await readSourceDocument(terminal, file), { dryRun, force, wait, timeout });
    }),
  );

interface ManifestOptions {
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly wait: boolean;
  readonly timeout: number;
}

async function applyManifest(session: Session, document: SourceDocument, { dryRun, force, wait, timeout }: ManifestOptions): Promise<void> {
  const answer = await sendManifest(session, document, { dryRun: dryRun || undefined, force: force || undefined });
  session.show(answer, () => describeChanges(session.terminal, answer, dryRun));
  if (!wait || dryRun) return;
  const start = performance.now();
  await waitForRevision(session, answer.revision, timeout);
  session.note(`revision ${answer.revision} is applied on every node (waited ${Math.round(performance.now() - start)} ms)`);
}

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

function describeChanges(terminal: Terminal, answer: ManifestAnswer, dryRun: boolean): string {
  const { changes, revision } = answer;
  if (!answer.changed) return `nothing to change: the cluster is as the manifest says, at revision ${revision}\n`;
  const outcome = dryRun
    ? `dry run: ${countsOf(changes, { create: 'to create', change: 'to change', delete: 'to delete' })}; nothing was changed`
    : `revision ${revision}: ${countsOf(changes, changed)}`;
  return `${renderChanges(terminal, changes, dryRun ? toChange : changed)}${styled(terminal, 'bold', outcome)}\n`;
}
