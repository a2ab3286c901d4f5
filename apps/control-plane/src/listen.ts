import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { hostname, networkInterfaces } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { Authority } from './application/credentials/authority.js';
import type { ListenAddress } from './config.js';

/** How often the certificate of a TLS server is looked at, in milliseconds. */
const RENEW_EVERY_MS = 3_600_000;

export interface TlsListening {
  readonly addresses: readonly ListenAddress[];
  readonly authority: Authority;
  /** Names and addresses that it is called by, beside those that it listens on. */
  readonly names: readonly string[];
  readonly now: () => Date;
}

/** Listens on every address, and stops with the app. Resolves with the URLs, plain ones first, in order: a port 0 is given as what it became. */
export async function listenOn(app: FastifyInstance, addresses: readonly ListenAddress[], tls?: TlsListening): Promise<readonly string[]> {
  const [first, ...others] = addresses;
  const servers: (Server | TlsServer)[] = [];
  const urls: string[] = [];
  let renewal: NodeJS.Timeout | undefined;
  app.server.once('close', () => {
    clearInterval(renewal);
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  if (first === undefined) await app.ready();
  else urls.push(await app.listen({ host: first.host, port: first.port }));
  for (const address of others) urls.push(await started(app, createServer(), address, servers));
  if (tls === undefined) return urls;

  const names = [...new Set([...tls.names, ...tls.addresses.flatMap(({ host }) => namesOf(host))])];
  const context = async () => {
    const { key, certificate } = await tls.authority.serverIdentity(names, tls.now());
    // Verified by the application, which also knows what is revoked and answers in its own words.
    return { key, cert: certificate, ca: tls.authority.certificate, minVersion: 'TLSv1.3' as const };
  };
  const secured: TlsServer[] = [];
  for (const address of tls.addresses) {
    const server = createTlsServer({ ...(await context()), requestCert: true, rejectUnauthorized: false });
    secured.push(server);
    urls.push(await started(app, server, address, servers));
  }
  renewal = setInterval(() => {
    context().then(
      (renewed) => {
        for (const server of secured) server.setSecureContext(renewed);
      },
      (error: unknown) => app.log.error({ err: error }, 'the certificate of the server could not be renewed'),
    );
  }, RENEW_EVERY_MS);
  renewal.unref();
  return urls;
}

async function started(app: FastifyInstance, server: Server | TlsServer, { host, port }: ListenAddress, servers: (Server | TlsServer)[]): Promise<string> {
  server.on('request', (request, response) => app.routing(request, response));
  server.on('upgrade', (...upgrade) => app.server.emit('upgrade', ...upgrade));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  servers.push(server);
  const bound = server.address();
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`;
}

/** What a listener is called by: its address, or for all addresses those that this host has now. */
function namesOf(host: string): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  // Addresses of one link say nothing elsewhere.
  return [hostname(), 'localhost', ...own.map(({ address }) => address).filter((address) => !address.startsWith('fe80:'))];
}
