import { createServer, type Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { ListenAddress } from './config.js';

/** Listens on every address, and stops with the app. Resolves with the URLs, in order: a port 0 is given as what it became. */
export async function listenOn(app: FastifyInstance, addresses: readonly ListenAddress[]): Promise<readonly string[]> {
  const [first, ...others] = addresses;
  if (first === undefined) return [];
  const urls = [await app.listen({ host: first.host, port: first.port })];
  const servers: Server[] = [];
  for (const { host, port } of others) {
    const server = createServer((request, response) => app.routing(request, response));
    server.on('upgrade', (...upgrade) => app.server.emit('upgrade', ...upgrade));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const bound = server.address();
    urls.push(`http://${host.includes(':') ? `[${host}]` : host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`);
    servers.push(server);
  }
  app.server.once('close', () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });
  return urls;
}
