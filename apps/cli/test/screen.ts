import type { Terminal } from '../src/terminal.js';

/** A terminal that keeps what is printed. */
export interface Screen extends Terminal {
  readonly out: () => string;
  readonly err: () => string;
}

export function screen(options: Partial<Terminal> = {}): Screen {
  const out: string[] = [];
  const err: string[] = [];
  return {
    write: (text) => void out.push(text),
    writeError: (text) => void err.push(text),
    columns: undefined,
    color: false,
    environment: {},
    directory: '/nonexistent',
    readStandardInput: () => Promise.resolve(''),
    ...options,
    out: () => out.join(''),
    err: () => err.join(''),
  };
}
