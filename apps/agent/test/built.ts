import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A program of the agent as one file, so that a test that starts it does not compile. Another `mark` makes another file that does the same. */
export async function built(source: URL, outfile: string, mark = ''): Promise<string> {
  // The native library is found beside its scripts only, and those of the kernel room are meant.
  const koffi = createRequire(new URL('../../../packages/kernel/package.json', import.meta.url)).resolve('koffi');
  await build({
    entryPoints: [fileURLToPath(source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    alias: { koffi },
    external: [koffi],
    banner: { js: `// ${mark}\nimport { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
  });
  return outfile;
}
