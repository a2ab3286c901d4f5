// node tools/generate.mjs: makes packages/store/src/generated/prisma from prisma/schema.prisma; at once when nothing changed.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { prismaStatus, root } from './prisma-cli.mjs';

const generated = join(root, 'packages/store/src/generated');
const stamp = join(generated, 'stamp');
const { version } = createRequire(import.meta.url)('prisma/package.json');
const hash = createHash('sha256')
  .update(version)
  .update(readFileSync(join(root, 'prisma/schema.prisma')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hash) {
  // Standard output belongs to whoever calls this.
  const status = prismaStatus(['generate', '--no-hints'], ['ignore', 2, 'inherit']);
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, hash);
}
