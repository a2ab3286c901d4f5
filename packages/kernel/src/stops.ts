import type { FailedLine, Stop } from './ports.js';

/** What was said of a batch that failed, by how its tool names lines; undefined where it named none. */
export type StopReader = (input: string, stderr: string, goesOn: boolean) => Stop | undefined;

/** `ip` and `bridge` say what is wrong, then `Command failed -:N`. Unless told to go on they end with the first. */
export const stopOfIproute: StopReader = (input, stderr, goesOn) => {
  const failed: FailedLine[] = [];
  let from = 0;
  for (const match of stderr.matchAll(/^Command failed -:([0-9]+).*$/gm)) {
    const to = match.index + match[0].length;
    failed.push({ line: Number(match[1]) - 1, said: stderr.slice(from, to).trim() });
    from = to;
  }
  const last = failed.at(-1);
  return last === undefined ? undefined : { failed, next: goesOn ? linesOf(input).length : last.line + 1 };
};

/** Answers of our own, one line for each that failed: the name that `nameOf` gives the line of the batch, a colon, the error. */
export function stopByName(nameOf: (line: string) => string, { triesAll }: { readonly triesAll: boolean }): StopReader {
  return (input, stderr) => {
    const lines = linesOf(input);
    const places = new Map(lines.map((line, i) => [nameOf(line), i]));
    const failed = linesOf(stderr).flatMap((said): FailedLine[] => {
      const line = places.get(said.slice(0, Math.max(0, said.indexOf(': '))));
      return line === undefined ? [] : [{ line, said }];
    });
    const last = failed.at(-1);
    return last === undefined ? undefined : { failed, next: triesAll ? lines.length : last.line + 1 };
  };
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
