import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The relay's program as one file in `folder`. Another `version` makes another file that does the same. */
export async function builtProgram(folder: string, version = 'a'): Promise<string> {
  const outfile = join(folder, `udp-relay-${version}.mjs`);
  // The native library is found beside its scripts only, and those of the kernel room are meant.
  const koffi = createRequire(new URL('../../../../packages/kernel/package.json', import.meta.url)).resolve('koffi');
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/relay/main.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    alias: { koffi },
    external: [koffi],
    banner: { js: `// ${version}\nimport { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
  });
  return outfile;
}
