import type { Change } from '@portolan/model';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

/** More lines than these help nobody; --json has all of them. */
const MOST_CHANGES_SHOWN = 60;

export const changed = { create: 'created', change: 'changed', delete: 'deleted' } as const;
export const toChange = { create: 'create', change: 'change', delete: 'delete' } as const;
export const changeStyles = { create: 'green', change: 'yellow', delete: 'red' } as const;

export function renderChanges(terminal: Terminal, changes: readonly Change[], words: Readonly<Record<Change['action'], string>>): string {
  const rows = renderTable<Change>(
    terminal,
    [
      { title: 'CHANGE', value: (change) => words[change.action], style: (change) => changeStyles[change.action] },
      { title: 'KIND', value: (change) => change.kind },
      { title: 'NAME', value: (change) => change.name },
    ],
    changes.slice(0, MOST_CHANGES_SHOWN),
  );
  return changes.length > MOST_CHANGES_SHOWN ? `${rows}… and ${changes.length - MOST_CHANGES_SHOWN} more (--json has all)\n` : rows;
}

/** `3 created, 1 deleted`. */
export function countsOf(changes: readonly Change[], words: Readonly<Record<Change['action'], string>>): string {
  return (['create', 'change', 'delete'] as const)
    .map((action) => ({ action, count: changes.filter((change) => change.action === action).length }))
    .filter(({ count }) => count > 0)
    .map(({ action, count }) => `${count} ${words[action]}`)
    .join(', ');
}
