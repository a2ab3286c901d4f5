import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { portolanError } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import { inNamespace } from './in-namespace.js';
import type { Exec } from './ports.js';

/** Type of the file system that holds namespaces (NSFS_MAGIC of linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;

/** What the parts of a kernel work with. */
export interface Surroundings {
  readonly exec: Exec;
  readonly runDirectory: string;
  /** Path of the namespace that is the host's; that of this process when undefined. */
  readonly host: string | undefined;
}

const OWN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** Folder of the own namespaces of the agent with this run directory. */
export function ownFolder(runDirectory: string): string {
  return join(runDirectory, 'netns');
}

/** Path of the own namespace NAME. A name that could leave the folder is refused. */
export function ownPath(runDirectory: string, name: string): string {
  if (!OWN_NAME.test(name)) throw portolanError('internal', '', `"${name}" is no name of a namespace`);
  return join(ownFolder(runDirectory), name);
}

export type NamespaceFile =
  | {
      readonly state: 'mounted';
      /** Device and inode of the namespace; equal for two paths of one namespace. */
      readonly identity: string;
      /** When the kernel made the inode, in ms: numbers of dead namespaces are given again at once. Stable while it is mounted. */
      readonly bornAt: number;
    }
  /** A file without a namespace: what a process leaves that dies between making the file and mounting, or a reboot. */
  | { readonly state: 'leftover' }
  | { readonly state: 'absent' };

export async function namespaceFile(path: string): Promise<NamespaceFile> {
  try {
    const { type } = await statfs(path);
    if (type !== NSFS_MAGIC) return { state: 'leftover' };
    const { dev, ino, ctimeMs } = await stat(path);
    return { state: 'mounted', identity: `${dev}:${ino}`, bornAt: ctimeMs };
  } catch {
    return { state: 'absent' };
  }
}

/** Identity of the host's namespace: the one at `path`, or that of this process. */
export async function hostIdentity(path = '/proc/self/ns/net'): Promise<string> {
  const { dev, ino } = await stat(path);
  return `${dev}:${ino}`;
}

/** Names of the own namespaces, whole ones and leftover files. */
export async function ownNamespaces(runDirectory: string): Promise<ReadonlyMap<string, NamespaceFile>> {
  const names = await readdir(ownFolder(runDirectory)).catch(() => [] as string[]);
  const found = new Map<string, NamespaceFile>();
  for (const name of names.sort()) {
    if (!OWN_NAME.test(name)) continue;
    const file = await namespaceFile(ownPath(runDirectory, name));
    if (file.state !== 'absent') found.set(name, file);
  }
  return found;
}

export function endpointIdOf(space: Space): string | undefined {
  return space.startsWith('endpoint:') ? space.slice('endpoint:'.length) : undefined;
}

/** `inNamespace`, or this thread as it is where the host's namespace is that of this process. */
export function inSpace<T>(path: string | undefined, work: () => T): T {
  return path === undefined ? work() : inNamespace(path, work);
}
