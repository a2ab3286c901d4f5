// node tools/generate.mjs: makes what is made of other files, at once when nothing changed: Prisma's client from prisma/schema.prisma,
// and the types of the dashboard's GraphQL documents from the schema that is checked in.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { prismaStatus, root } from './prisma-cli.mjs';

const require = createRequire(import.meta.url);

/** `make` returns an exit code; it runs unless `stamp` in the folder says that these inputs were made already. */
function generated(folder, inputs, make) {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input);
  const digest = hash.digest('hex');
  const stamp = join(folder, 'stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  mkdirSync(folder, { recursive: true });
  const status = make();
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, digest);
}

// Standard output belongs to whoever calls this.
const stdio = ['ignore', 2, 'inherit'];

generated(join(root, 'packages/store/src/generated'), [require('prisma/package.json').version, readFileSync(join(root, 'prisma/schema.prisma'))], () =>
  prismaStatus(['generate', '--no-hints'], stdio),
);

const dashboard = join(root, 'apps/dashboard');
const documents = readdirSync(join(dashboard, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file) && !file.includes('generated'))
  .sort()
  .map((file) => readFileSync(join(dashboard, 'src', file), 'utf8'))
  .filter((text) => text.includes('graphql('));
const schema = readFileSync(join(root, 'apps/control-plane/schema.graphql'));
const codegen = createRequire(join(dashboard, 'package.json')).resolve('@graphql-codegen/cli/package.json');
generated(join(dashboard, 'src/api/generated'), [readFileSync(codegen), readFileSync(join(dashboard, 'codegen.ts')), schema, ...documents], () => {
  const cli = join(dirname(codegen), JSON.parse(readFileSync(codegen, 'utf8')).bin['graphql-codegen']);
  return spawnSync(process.execPath, [cli, '--config', 'codegen.ts', '--silent'], { cwd: dashboard, stdio }).status ?? 1;
});
