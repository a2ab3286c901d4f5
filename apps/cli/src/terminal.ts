import { text } from 'node:stream/consumers';
import { styleText } from 'node:util';

/** The outside world as a command sees it; a test passes its own. */
export interface Terminal {
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Columns of the screen; undefined when standard output is a file or a pipe: then nothing is cut or wrapped. */
  readonly columns: number | undefined;
  readonly color: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly readStandardInput: () => Promise<string>;
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** The text in a style, or as it is where colours are not wanted. */
export function styled(terminal: Terminal, style: Style, words: string): string {
  return terminal.color ? styleText(style, words, { validateStream: false }) : words;
}

export function processTerminal(): Terminal {
  const { stdout, env } = process;
  return {
    write: (words) => void stdout.write(words),
    writeError: (words) => void process.stderr.write(words),
    columns: stdout.isTTY ? stdout.columns : undefined,
    color: stdout.isTTY && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    environment: env,
    directory: process.cwd(),
    readStandardInput: () => text(process.stdin),
  };
}
