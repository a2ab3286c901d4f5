import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import staticFiles from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Where the build puts the dashboard. */
const site = fileURLToPath(new URL('../../../dashboard/dist/site', import.meta.url));

/** It shows nothing but itself: what it asks needs a token. */
const open = { schema: { hide: true }, config: { needs: 'nothing' } } as const;

/**
 * The page may run and speak to what it came from only, and nobody may frame it. Styles are set by scripts of the page's own, which `style-src` has
 * to allow in the text.
 */
const headers = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
} as const;

/** The dashboard at /, with its pages below /clusters; nothing where it is not built. */
export async function registerDashboard(app: FastifyInstance): Promise<void> {
  const index = join(site, 'index.html');
  if (!existsSync(index)) return;
  const page = async (_request: unknown, reply: FastifyReply) => reply.headers(headers).type('text/html; charset=utf-8').send(createReadStream(index));
  for (const path of ['/', '/clusters/*']) app.get(path, open, page);
  app.get('/icon.svg', open, async (_request, reply) => reply.type('image/svg+xml').send(createReadStream(join(site, 'icon.svg'))));
  // The names of these files hold their hash.
  await app.register(staticFiles, { root: join(site, 'assets'), prefix: '/assets/', immutable: true, maxAge: '365d', index: false, decorateReply: false });
}
