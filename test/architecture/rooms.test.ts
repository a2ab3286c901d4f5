import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { doors, pureRooms, rooms } from './rooms.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders = ['packages', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => ({ name, folder: join(root, group, name) })));

function sourceFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|tsx|js)$/.test(file) && !file.includes('generated'))
    .map((file) => join(folder, file));
}

function importsOf(file: string): string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles.map((imported) => imported.fileName);
}

const sources = new Map(
  folders.map(({ name, folder }) => [
    name,
    sourceFiles(join(folder, 'src')).map((file) => ({ file: relative(root, file), text: readFileSync(file, 'utf8'), imports: importsOf(file) })),
  ]),
);

describe('rooms', () => {
  it('has a rule for each workspace', () => {
    expect(folders.map(({ name }) => name).sort()).toEqual(Object.keys(rooms).sort());
  });

  it.each(Object.keys(rooms))('%s imports only the rooms that it may enter, through their doors', (name) => {
    const offences = (sources.get(name) ?? []).flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('@portolan/'))
        .filter((specifier) => {
          const [, room = '', door, ...deeper] = specifier.split('/');
          const through = door === undefined || (deeper.length === 0 && doors[room]?.includes(door) === true);
          return !(through && rooms[name]?.includes(room));
        })
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(offences).toEqual([]);
  });

  it.each(Object.keys(rooms))('%s never reaches into another room by path', (name) => {
    const own = folders.find((room) => room.name === name)?.folder ?? '';
    const offences = (sources.get(name) ?? []).flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('.'))
        .filter((specifier) => relative(own, join(root, file, '..', specifier)).startsWith('..'))
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(offences).toEqual([]);
  });

  it.each(Object.keys(rooms))('%s declares exactly the rooms that it imports', (name) => {
    const folder = folders.find((room) => room.name === name)?.folder ?? '';
    const imported = new Set(
      (sources.get(name) ?? []).flatMap(({ imports }) => imports.filter((s) => s.startsWith('@portolan/')).map((s) => s.split('/')[1] ?? '')),
    );
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> };
    const declared = Object.keys(manifest.dependencies ?? {})
      .filter((d) => d.startsWith('@portolan/'))
      .map((d) => d.slice('@portolan/'.length));
    const tsconfig = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')) as { references?: { path: string }[] };
    const referenced = (tsconfig.references ?? []).map((reference) => basename(reference.path));
    expect(declared.sort()).toEqual([...imported].sort());
    expect(referenced.sort()).toEqual([...imported].sort());
  });

  it.each(pureRooms)('%s is pure: nothing of Node, no clock, no randomness, no timers', (name) => {
    const offences = (sources.get(name) ?? []).flatMap(({ file, text, imports }) => [
      ...imports.filter((specifier) => specifier.startsWith('node:')).map((specifier) => `${file} imports ${specifier}`),
      ...[...text.matchAll(/\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|process\.|crypto\.random)/g)].map(
        (match) => `${file} uses ${match[0]}`,
      ),
    ]);
    expect(offences).toEqual([]);
  });
});

describe('words', () => {
  const vague = /(^|[-_.])(manager|helpers?|utils?|data|info|misc|common)([-_.]|$)/i;

  it('no file has a name that says nothing', () => {
    const offences = [...sources.values()]
      .flat()
      .filter(({ file }) => vague.test(basename(file)))
      .map(({ file }) => file);
    expect(offences).toEqual([]);
  });

  it('no file is longer than 500 lines', () => {
    const offences = [...sources.values()]
      .flat()
      .filter(({ text }) => text.split('\n').length > 500)
      .map(({ file, text }) => `${file}: ${text.split('\n').length}`);
    expect(offences).toEqual([]);
  });

  it('nobody silences a checker', () => {
    const silenced = /@ts-(ignore|nocheck|expect-error)|biome-ignore|eslint-disable|\.(only|todo)\(/;
    const everything = [...sources.values()].flat();
    expect(everything.filter(({ text }) => silenced.test(text)).map(({ file }) => file)).toEqual([]);
  });

  it('each workspace has a README', () => {
    expect(folders.filter(({ folder }) => !existsSync(join(folder, 'README.md'))).map(({ name }) => name)).toEqual([]);
  });
});
