import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes a file that only its owner reads. It is on disk when this resolves, whole or not at all. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = await open(`${path}.new`, 'w', 0o600);
  try {
    // One that a killed process left may have been made otherwise.
    await fresh.chmod(0o600);
    await fresh.writeFile(text);
    await fresh.sync();
  } finally {
    await fresh.close();
  }
  await rename(`${path}.new`, path);
  await syncFolderOf(path);
}

/** The name of a file is in its folder: without this a power cut could bring the old one back. */
async function syncFolderOf(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Appends to a file that only its owner reads; `isFirst`: in place of whatever is there. When it fails a part of it may be there. `isDurable`: on
 * disk when this resolves; otherwise it is there for who reads the file, and lost when the power is.
 */
export async function appendText(
  path: string,
  text: string,
  { isFirst, isDurable }: { readonly isFirst: boolean; readonly isDurable: boolean },
): Promise<void> {
  const file = await open(path, isFirst ? 'w' : 'a', 0o600);
  try {
    if (isFirst) await file.chmod(0o600);
    await file.writeFile(text);
    if (isDurable) await file.datasync();
  } finally {
    await file.close();
  }
  if (isFirst && isDurable) await syncFolderOf(path);
}
