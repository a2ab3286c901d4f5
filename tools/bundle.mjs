// node tools/bundle.mjs: the built agent as a few files with all that they need, in apps/agent/dist. A node needs Node and
// this folder, no node_modules; and few files are read in a third of the time that a thousand take.
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const agent = fileURLToPath(new URL('../apps/agent', import.meta.url));
const dist = join(agent, 'dist');

const bundle = join(dist, 'bundle');

/** @type {import('esbuild').BuildOptions} */
const options = {
  outdir: bundle,
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
};

// The name server's thread and the program of the udp relay are files of their own, which the agent looks for beside itself.
await build({ ...options, entryPoints: { 'dns-worker': join(dist, 'dns/dns-worker.js'), 'udp-relay': join(dist, 'relay/main.js') } });
// What the agent does seldom (join, serve its health) is in files that are read only then, and so is all the rest until its privileges are given up.
const { metafile } = await build({
  ...options,
  entryPoints: { 'portolan-agent': join(dist, 'start.js') },
  splitting: true,
  chunkNames: 'part-[name]-[hash]',
  metafile: true,
});
const parts = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
for (const name of readdirSync(bundle)) if (name.startsWith('part-') && !parts.has(name)) rmSync(join(bundle, name));

// Files that the program and etcd3 read at run time, at the same place relative to the code.
copyFileSync(join(agent, 'package.json'), join(dist, 'package.json'));
mkdirSync(join(dist, 'proto'), { recursive: true });
const etcd3 = dirname(createRequire(join(agent, '../../packages/store/package.json')).resolve('etcd3/package.json'));
for (const file of ['rpc.proto', 'kv.proto', 'auth.proto']) copyFileSync(join(etcd3, 'proto', file), join(dist, 'proto', file));

// koffi with its library for this machine, where the bundle finds it.
const modules = join(bundle, 'node_modules');
rmSync(modules, { recursive: true, force: true });
const koffi = dirname(createRequire(join(agent, '../../packages/kernel/package.json')).resolve('koffi'));
cpSync(koffi, join(modules, 'koffi'), {
  recursive: true,
  // Its scripts; the sources of the library are larger than all the rest.
  filter: (path) => !path.startsWith(join(koffi, 'vendor')) && (statSync(path).isDirectory() || /\.c?js$|\/package\.json$|\/LICENSE\.txt$/.test(path)),
});
const native = join(koffi, '../@koromix');
for (const name of readdirSync(native).filter((entry) => entry.startsWith('koffi-')))
  cpSync(join(native, name), join(modules, '@koromix', name), { recursive: true });
