import { chmod, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { hashText, type ObservedObject, observedObject } from '@portolan/node-state';
import { setLines } from '@portolan/render';

const MODE = 0o644;
const FOLDER_MODE = 0o755;

/** Whoever tells an agent its state is not to write anything else on a host. */
const FOLDERS = ['/run/flannel/', '/etc/cni/net.d/'];

/** Folders of configuration are read by the endings of names; by this one nothing is. */
const UNFINISHED = '.portolan-new';

/** By path, the hashes of the contents that may be there: one, or while a file is written the old and the new. */
type FileRecord = Readonly<Record<string, readonly string[]>>;

/** The files of a node that are ours. */
export interface OwnFiles {
  /** Carries out lines as `Batch` has them, as far as it can; the answer has a line `PATH: ERRNO` for each that failed. */
  change(text: string): Promise<string>;
  /**
   * The files at these paths, and all that were written by us and are still as we wrote them. One that somebody else wrote is damaged:
   * it is ours once it is written.
   */
  observed(paths: readonly string[]): Promise<readonly ObservedObject[]>;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

function isRecord(value: unknown): value is FileRecord {
  return typeof value === 'object' && value !== null && Object.values(value).every((hashes) => Array.isArray(hashes));
}

/** Replaces a file at once: whoever reads it sees the old content or the new. */
async function writeAtOnce(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
  const unfinished = `${path}${UNFINISHED}`;
  const file = await open(unfinished, 'w', MODE);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  // Whatever the umask of this process is.
  await chmod(unfinished, MODE);
  await rename(unfinished, path);
}

/**
 * Files below `root`. What is written is told to `recordPath` before, so that a process which dies in between leaves nothing that
 * the next one does not know; what differs from the record was written by somebody else and is never deleted.
 */
export function ownFiles(root: string, recordPath: string): OwnFiles {
  let known: FileRecord | undefined;

  async function recorded(): Promise<FileRecord> {
    if (known === undefined) {
      const read: unknown = await readFile(recordPath, 'utf8')
        .then((text): unknown => JSON.parse(text))
        .catch(() => undefined);
      known = isRecord(read) ? read : {};
    }
    return known;
  }

  async function note(path: string, hashes: readonly string[]): Promise<void> {
    const { [path]: _, ...others } = await recorded();
    const next = hashes.length === 0 ? others : { ...others, [path]: hashes };
    await writeAtOnce(recordPath, JSON.stringify(next));
    known = next;
  }

  /** Where a path is below the root; a path that could leave it is refused, and so is all that flannel and CNI do not read. */
  function placeOf(path: string): string {
    if (!path.startsWith('/') || path.endsWith('/') || normalize(path) !== path) throw new Error('is no absolute path of a file');
    if (!FOLDERS.some((folder) => path.startsWith(folder))) throw new Error(`is in none of the folders ${FOLDERS.join(', ')}`);
    return join(root, path);
  }

  async function write(path: string, content: string): Promise<void> {
    const place = placeOf(path);
    const before = (await recorded())[path] ?? [];
    await note(path, [...before, hashText(content)]);
    await writeAtOnce(place, content);
    await note(path, [hashText(content)]);
  }

  async function remove(path: string): Promise<void> {
    const place = placeOf(path);
    const hashes = (await recorded())[path] ?? [];
    const content = hashes.length === 0 ? undefined : await contentOf(place);
    if (content !== undefined && hashes.includes(hashText(content))) await rm(place, { force: true });
    if (hashes.length > 0) await rm(`${place}${UNFINISHED}`, { force: true });
    await note(path, []);
  }

  async function contentOf(place: string): Promise<string | undefined> {
    try {
      return await readFile(place, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  async function objectAt(path: string, isWanted: boolean): Promise<ObservedObject | undefined> {
    const place = placeOf(path);
    const content = await contentOf(place);
    if (content === undefined) return undefined;
    const object = observedObject('host', { kind: 'file', path, content });
    const isOurs = (await recorded())[path]?.includes(hashText(content)) === true;
    if (!isOurs) return isWanted ? { ...object, hash: '' } : undefined;
    const status = await lstat(place);
    return status.isFile() && (status.mode & 0o777) === MODE ? object : { ...object, hash: '' };
  }

  return {
    change: async (text) => {
      const failures: string[] = [];
      for (const { key, body } of setLines(text, ['file'], 'file')) {
        const path = key.slice('file/host/'.length);
        try {
          if (body === undefined) await remove(path);
          else await write(path, body.content);
        } catch (error) {
          failures.push(`${path}: ${error instanceof Error && !('code' in error) ? error.message : codeOf(error)}\n`);
        }
      }
      return failures.join('');
    },
    observed: async (paths) => {
      const wanted = new Set(paths);
      const objects: ObservedObject[] = [];
      for (const path of new Set([...paths, ...Object.keys(await recorded())])) {
        // One that cannot be read is not known to be as it should: to write it says why.
        const object = await objectAt(path, wanted.has(path)).catch(() => undefined);
        if (object !== undefined) objects.push(object);
      }
      return objects;
    },
  };
}
