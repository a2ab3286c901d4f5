import { createServer } from 'node:net';

function boundPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(address !== null && typeof address === 'object' ? address.port : port));
    });
  });
}

/** A TCP port that nobody listens on at the moment; `preferred` when that one is free, so that URLs stay the same over restarts. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined) {
    const port = await boundPort(preferred).catch(() => undefined);
    if (port !== undefined) return port;
  }
  return boundPort(0);
}
