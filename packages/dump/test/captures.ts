import { readdirSync, readFileSync } from 'node:fs';

/** Folders with the dumps of a real swarm of three nodes; the renderer's tests have most of them. */
const folders = [new URL('../../render/test/fixtures/swarm/', import.meta.url), new URL('fixtures/swarm/', import.meta.url)];

/** Text of each file of the capture, by name. */
export const captures: ReadonlyMap<string, string> = new Map(
  folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.txt'))
      .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]),
  ),
);

export function capture(name: string): string {
  const text = captures.get(name);
  if (text === undefined) throw new Error(`the capture has no ${name}`);
  return text;
}
