import { renderChanges, toChange } from './changes-view.js';
import type { BlockerAnswer, ChangesetAnswer, ChangesetStatus, NodePlanAnswer, NodeRolloutAnswer, PlannedStepAnswer, Risk } from './changeset-answers.js';
import { type Column, renderPairs, renderTable } from './table.js';
import { styled, type Terminal } from './terminal.js';

/** Steps of one node that a person is shown. */
const MOST_STEPS_SHOWN = 200;

export const statusStyles: Readonly<Record<ChangesetStatus, 'green' | 'yellow' | 'red' | 'dim'>> = {
  planned: 'dim',
  discarded: 'dim',
  rolling: 'yellow',
  paused: 'red',
  confirming: 'yellow',
  applied: 'green',
  'rolled-back': 'red',
};

const riskStyles: Readonly<Record<Risk, 'red' | 'yellow' | undefined>> = { cuts: 'red', moves: 'yellow', none: undefined };
const actionStyles: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = { create: 'green', update: 'yellow', replace: 'yellow', delete: 'red' };

const stepColumns: readonly Column<PlannedStepAnswer>[] = [
  { title: 'ACTION', value: ({ action }) => action, style: ({ action }) => actionStyles[action] },
  { title: 'OBJECT', value: ({ key }) => key },
  { title: 'FOR', value: ({ origin }) => (origin === '' ? undefined : origin) },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'RISK', value: ({ risk }) => risk, style: ({ risk }) => riskStyles[risk] },
];

/** What a changeset would do: to the intent, and to each node, object by object. */
export function renderPlan(terminal: Terminal, { plan }: ChangesetAnswer): string {
  if (plan.changes.length === 0) return 'nothing to change\n';
  const nodes = plan.nodes.length === 0 ? '\nno kernel changes\n' : plan.nodes.map((node) => renderNode(terminal, node)).join('');
  return `${renderChanges(terminal, plan.changes, toChange)}${nodes}${plan.blockers.map((blocker) => renderBlocker(terminal, blocker)).join('')}`;
}

function renderNode(terminal: Terminal, { node, steps, more, risk }: NodePlanAnswer): string {
  const hidden = more + Math.max(0, steps.length - MOST_STEPS_SHOWN);
  const worst = styled(terminal, riskStyles[risk] ?? 'dim', risk === 'none' ? 'nobody notices' : `${risk} connections`);
  const heading = `\n${styled(terminal, 'bold', `${node}: ${steps.length + more} steps`)}, ${worst}\n`;
  const rest = hidden === 0 ? '' : `… and ${hidden} more steps\n`;
  return `${heading}${renderTable(terminal, stepColumns, steps.slice(0, MOST_STEPS_SHOWN))}${rest}`;
}

function renderBlocker(terminal: Terminal, { code, path, message, fix, override }: BlockerAnswer): string {
  const where = path === '' ? '' : `${path}: `;
  return `\n${styled(terminal, 'red', 'blocked:')} ${where}${message} [${code}]\n  fix: ${fix}\n  or:  --override ${override}\n`;
}

const nodeStyles: Readonly<Record<NodeRolloutAnswer['state'], 'green' | 'yellow' | 'red' | 'dim'>> = {
  waiting: 'dim',
  skipped: 'yellow',
  released: 'yellow',
  applied: 'yellow',
  updated: 'green',
  failed: 'red',
};

const rolloutColumns: readonly Column<NodeRolloutAnswer>[] = [
  { title: 'NODE', value: ({ node }) => node },
  { title: 'STATE', value: ({ state }) => state, style: ({ state }) => nodeStyles[state] },
  { title: 'AT', value: ({ at }) => at ?? undefined },
  { title: 'WHY', value: ({ state, reason }) => reason ?? (state === 'skipped' ? 'its agent is away: it gets the state when it returns' : undefined) },
];

/** Everything about one changeset: who and when, the plan, and how far its rollout is. */
export function renderChangeset(terminal: Terminal, changeset: ChangesetAnswer): string {
  const { rollout, status } = changeset;
  const head = renderPairs(terminal, [
    ['changeset', changeset.id],
    ['status', styled(terminal, statusStyles[status], status)],
    ['what', changeset.summary],
    ['by', changeset.from === null ? changeset.actor : `${changeset.actor} (${changeset.from})`],
    ['made', changeset.createdAt],
    ['base revision', changeset.baseRevision],
    ['revision', changeset.revision ?? undefined],
    ...(rollout === null || rollout.overrides.length === 0 ? [] : [['overridden', rollout.overrides.join(', ')] as const]),
    ...(rollout === null || rollout.reason === null ? [] : [['reason', rollout.reason] as const]),
    ...(rollout === null || rollout.confirmBy === null ? [] : [['confirm by', rollout.confirmBy] as const]),
  ]);
  const rows = rollout === null || rollout.nodes.length === 0 ? '' : `\n${renderTable(terminal, rolloutColumns, rollout.nodes)}`;
  return `${head}${rows}\n${renderPlan(terminal, changeset)}`;
}
