import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ChangesetAnswer } from '../changeset-answers.js';
import { renderPlan } from '../changeset-view.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';
import { readSourceDocument, type SourceDocument } from '../manifest-file.js';
import type { Session } from '../session.js';
import { styled, type Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';

export const addPlan: AddCommand = (cli, terminal) =>
  cli.command(
    'plan',
    'Show what a manifest would change on which node, object by object, and keep it for apply --plan',
    (command) =>
      command
        .options({
          file: { alias: 'f', type: 'string', requiresArg: true, describe: 'Manifest; - reads standard input' },
          'rollback-to': { type: 'number', requiresArg: true, describe: 'Plan the way back to what was wanted at this revision instead' },
          force: { type: 'boolean', default: false, describe: 'Delete endpoints at once instead of draining them: their connections break' },
          summary: { type: 'string', requiresArg: true, describe: 'What it is for, in the history' },
          out: { type: 'string', requiresArg: true, describe: 'File that the whole plan is written to, as JSON' },
        })
        .conflicts('file', 'rollback-to')
        .epilogue('Ends with 2 when findings block the plan. RISK: cuts breaks connections, moves sends new ones another way, none: nobody notices.')
        .example('$0 plan -f change.yaml', 'see what would happen; the last line says how to make it happen'),
    inSession(terminal, async (session, { file, rollbackTo, force, summary, out }) => {
      const document = await documentOf(terminal, file, rollbackTo);
      const body = { ...document.body, ...(force ? { force } : {}), ...(summary === undefined ? {} : { summary }) };
      const changeset = await plannedChangeset(session, body, document.source);
      if (out !== undefined) writeFileSync(resolve(terminal.directory, out), `${JSON.stringify(changeset, null, 2)}\n`);
      session.show(changeset, () => describePlan(terminal, changeset));
      refuseBlocked(changeset);
    }),
  );

interface PlanDocument {
  readonly body: { readonly manifest: unknown } | { readonly rollback: { readonly to: number } };
  readonly source: SourceDocument | undefined;
}

async function documentOf(terminal: Terminal, file: string | undefined, rollbackTo: number | undefined): Promise<PlanDocument> {
  if (rollbackTo !== undefined) return { body: { rollback: { to: rollbackTo } }, source: undefined };
  if (file === undefined) throw usageFailure('there is nothing to plan', 'Name a manifest with -f, or a revision with --rollback-to.');
  const source = await readSourceDocument(terminal, file);
  return { body: { manifest: source.value }, source };
}

/** Makes and stores a plan. `source`: the file that problems are pointed out in. */
export async function plannedChangeset(session: Session, body: object, source?: SourceDocument): Promise<ChangesetAnswer> {
  try {
    return (await session.client.send<ChangesetAnswer>(await session.inCluster('changesets'), { method: 'POST', body })).body;
  } catch (error) {
    if (source === undefined || !(error instanceof CommandFailure) || error.exitCode !== exitCodes.refused) throw error;
    // The manifest is a part of what was sent.
    throw error.at((pointer) => (pointer.startsWith('/manifest') ? source.locate(pointer.slice('/manifest'.length)) : undefined));
  }
}

export function describePlan(terminal: Terminal, changeset: ChangesetAnswer): string {
  const { id, baseRevision, plan } = changeset;
  const plain = renderPlan(terminal, changeset);
  if (plan.changes.length === 0 || plan.blockers.length > 0) return plain;
  return `${plain}\n${styled(terminal, 'bold', `planned on revision ${baseRevision}; apply it with: portolan apply --plan ${id}`)}\n`;
}

/** Fails where findings block the plan, which was shown with them. */
export function refuseBlocked({ id, plan }: ChangesetAnswer): void {
  if (plan.blockers.length === 0) return;
  const overrides = plan.blockers.map(({ override }) => ` --override ${override}`).join('');
  throw new CommandFailure(
    exitCodes.blocked,
    `the plan is blocked by ${plan.blockers.length} ${plan.blockers.length === 1 ? 'finding' : 'findings'}`,
    `Correct what is named and plan again, or apply it all the same, which is recorded: portolan apply --plan ${id}${overrides}`,
  );
}
