import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { observedObject } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OwnFiles, ownFiles } from '../src/files.js';

const path = '/etc/cni/net.d/10-flannel.conflist';

let folder: string;
let root: string;
let record: string;
let files: OwnFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-files-'));
  [root, record] = [join(folder, 'root'), join(folder, 'run', 'files.json')];
  files = ownFiles(root, record);
});
afterEach(() => rmSync(folder, { recursive: true }));

const bodyOf = (content: string, at = path) => ({ kind: 'file', path: at, content }) as const;
const set = (content: string, at = path) => `set file/host/${at} ${JSON.stringify(bodyOf(content, at))}\n`;
const gone = `delete file/host/${path}\n`;
const content = () => readFileSync(join(root, path), 'utf8');

describe('files', () => {
  it('are written with their folders, read back, changed and deleted', async () => {
    const umask = process.umask(0o077);
    try {
      expect(await files.change(set('one\n'))).toBe('');
    } finally {
      process.umask(umask);
    }
    expect(content()).toBe('one\n');
    expect(statSync(join(root, path)).mode & 0o777).toBe(0o644);
    expect(await files.observed([])).toEqual([observedObject('host', bodyOf('one\n'))]);
    await files.change(set('two\n'));
    expect(await files.observed([path])).toEqual([observedObject('host', bodyOf('two\n'))]);
    expect(readdirSync(join(root, '/etc/cni/net.d'))).toEqual(['10-flannel.conflist']);
    expect(await files.change(gone)).toBe('');
    expect(readdirSync(join(root, '/etc/cni/net.d'))).toEqual([]);
    expect(await files.observed([path])).toEqual([]);
    expect(await files.change(gone)).toBe('');
  });

  it('are known to a process without memory', async () => {
    await files.change(set('one\n'));
    const later = ownFiles(root, record);
    expect(await later.observed([])).toEqual([observedObject('host', bodyOf('one\n'))]);
    await later.change(gone);
    expect(existsSync(join(root, path))).toBe(false);
    expect(JSON.parse(readFileSync(record, 'utf8'))).toEqual({});
  });

  it('that another wrote are damaged where they are wanted, and are never deleted', async () => {
    await files.change(set('one\n'));
    writeFileSync(join(root, path), 'of another\n');
    expect(await files.observed([path])).toEqual([{ ...observedObject('host', bodyOf('of another\n')), hash: '' }]);
    expect(await files.observed([])).toEqual([]);
    expect(await files.change(gone)).toBe('');
    expect(content()).toBe('of another\n');
    // By writing it, it becomes ours, even where the content is the same.
    writeFileSync(join(root, path), 'one\n');
    expect(await files.observed([path])).toEqual([{ ...observedObject('host', bodyOf('one\n')), hash: '' }]);
    await files.change(set('one\n'));
    expect(await files.observed([path])).toEqual([observedObject('host', bodyOf('one\n'))]);
  });

  it('with another mode, or by a link, are damaged', async () => {
    await files.change(set('one\n'));
    rmSync(join(root, path));
    writeFileSync(join(folder, 'elsewhere'), 'one\n');
    symlinkSync(join(folder, 'elsewhere'), join(root, path));
    expect(await files.observed([path])).toMatchObject([{ hash: '' }]);
    await files.change(set('two\n'));
    expect([content(), readFileSync(join(folder, 'elsewhere'), 'utf8')]).toEqual(['two\n', 'one\n']);
  });

  it('of a process that died while it wrote leave nothing that is not known', async () => {
    await files.change(set('one\n'));
    const before = readFileSync(record, 'utf8');
    await files.change(set('two\n'));
    const [first] = Object.values(JSON.parse(before) as Record<string, string[]>);
    const [second] = Object.values(JSON.parse(readFileSync(record, 'utf8')) as Record<string, string[]>);
    // After the record was written, and then after the file was, too.
    writeFileSync(record, JSON.stringify({ [path]: [...(first ?? []), ...(second ?? [])] }));
    for (const there of ['one\n', 'two\n']) {
      writeFileSync(join(root, path), there);
      writeFileSync(join(root, `${path}.portolan-new`), 'tw');
      expect(await ownFiles(root, record).observed([])).toEqual([observedObject('host', bodyOf(there))]);
    }
    await ownFiles(root, record).change(gone);
    expect(readdirSync(join(root, '/etc/cni/net.d'))).toEqual([]);
  });

  it('that cannot be written are told, and keep the others from nothing', async () => {
    mkdirSync(join(root, 'run'), { recursive: true });
    writeFileSync(join(root, 'run/flannel'), '');
    const told = await files.change(set('one\n', '/run/flannel/subnet.env') + set('two\n', '/../outside') + set('three\n'));
    expect(told).toMatch(/^\/run\/flannel\/subnet\.env: E(EXIST|NOTDIR)\n\/\.\.\/outside: is no absolute path of a file\n$/);
    expect(content()).toBe('three\n');
    expect(existsSync(join(folder, 'outside'))).toBe(false);
    await expect(files.change('set sysctl/host/a {}\n')).rejects.toMatchObject({ code: 'apply-failed' });
  });
});
