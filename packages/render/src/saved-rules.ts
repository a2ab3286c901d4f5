/** A rule (`-A …`) or a chain (`:CHAIN POLICY …`) in the output of iptables-save. */
export interface SavedLine {
  readonly table: string;
  readonly line: string;
}

/** The rules and chains of all tables, in their order. */
export function* linesOfSave(text: string): Generator<SavedLine> {
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    else if (line.startsWith('-A ') || line.startsWith(':')) yield { table, line };
  }
}
