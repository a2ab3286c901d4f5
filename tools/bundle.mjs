// node tools/bundle.mjs: the built agent as one file with all that it needs, in apps/agent/dist. A node needs Node and
// this folder, no node_modules; and one file is read in a third of the time that a thousand take.
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const agent = fileURLToPath(new URL('../apps/agent', import.meta.url));
const dist = join(agent, 'dist');

await build({
  entryPoints: [join(dist, 'main.js')],
  outfile: join(dist, 'bundle/portolan-agent.js'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // It loads a native library that lies beside it, so it cannot be in the file.
  external: ['koffi'],
  // CommonJS packages in the bundle ask for these.
  banner: {
    js: [
      "import { createRequire as createRequireOfBundle } from 'node:module';",
      "import { fileURLToPath as pathOfBundle } from 'node:url';",
      'const require = createRequireOfBundle(import.meta.url);',
      "const __dirname = pathOfBundle(new URL('.', import.meta.url)).slice(0, -1);",
      'const __filename = pathOfBundle(import.meta.url);',
    ].join('\n'),
  },
});

// Files that the program and etcd3 read at run time, at the same place relative to the code.
copyFileSync(join(agent, 'package.json'), join(dist, 'package.json'));
mkdirSync(join(dist, 'proto'), { recursive: true });
const etcd3 = dirname(createRequire(join(agent, '../../packages/store/package.json')).resolve('etcd3/package.json'));
for (const file of ['rpc.proto', 'kv.proto', 'auth.proto']) copyFileSync(join(etcd3, 'proto', file), join(dist, 'proto', file));

// koffi with its library for this machine, where the bundle finds it.
const modules = join(dist, 'bundle/node_modules');
rmSync(modules, { recursive: true, force: true });
const koffi = dirname(createRequire(join(agent, '../../packages/kernel/package.json')).resolve('koffi'));
for (const file of ['package.json', 'LICENSE.txt', 'index.js', 'index.cjs', 'src/koffi/index.js', 'src/koffi/index.cjs'])
  cpSync(join(koffi, file), join(modules, 'koffi', file));
const native = join(koffi, '../@koromix');
for (const name of readdirSync(native).filter((entry) => entry.startsWith('koffi-')))
  cpSync(join(native, name), join(modules, '@koromix', name), { recursive: true });
