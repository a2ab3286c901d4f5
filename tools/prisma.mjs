// node tools/prisma.mjs ARGS: Prisma's CLI, such as `migrate dev --name add-zone`, `migrate diff …`, `validate`.
import { prismaStatus } from './prisma-cli.mjs';

process.exit(prismaStatus(process.argv.slice(2)));
