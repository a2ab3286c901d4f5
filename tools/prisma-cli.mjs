// Prisma's CLI asks for a native schema engine that npm does not deliver. It gets a stand-in that speaks the same
// protocol and runs Prisma's own engine compiled to WebAssembly (tools/schema-engine).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Exit status of `prisma ARGS`, run in the root of the repository. */
export function prismaStatus(args, stdio = 'inherit') {
  const folder = dirname(createRequire(import.meta.url).resolve('prisma/package.json'));
  const { status, error } = spawnSync(process.execPath, [join(folder, 'build/index.js'), ...args], {
    cwd: root,
    stdio,
    env: {
      ...process.env,
      PRISMA_SCHEMA_ENGINE_BINARY: join(root, 'tools/schema-engine/schema-engine.mjs'),
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  });
  if (error !== undefined) throw error;
  return status ?? 1;
}
