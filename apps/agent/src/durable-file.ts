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
  // The name is in the folder: without this a power cut could bring the old file back.
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
