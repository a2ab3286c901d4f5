import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { establishedConnections, inNamespace, socketIn } from '../src/index.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let path: string;
let server: Server;
const clients: Socket[] = [];

beforeEach(async () => {
  host = makeThrowawayHost();
  path = host.container('web');
  server = createServer();
  server.listen({ fd: socketIn(path, { kind: 'tcp', bind: { address: '127.0.0.1', port: 8080 } }) });
  await new Promise((resolve) => server.once('listening', resolve));
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  server.close();
  host.dispose();
});

async function connect(): Promise<Socket> {
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const client = new Socket({ fd: socketIn(path, { kind: 'tcp' }) });
  client.on('error', () => undefined);
  clients.push(client);
  await new Promise((resolve) => client.connect({ host: '127.0.0.1', port: 8080 }, () => resolve(undefined)));
  await accepted;
  return client;
}

describe('establishedConnections', () => {
  it('counts what came in and stays, not what is listened on nor what went out', async () => {
    expect(establishedConnections(path)).toBe(0);
    const first = await connect();
    await connect();
    // Both ends of each are in this namespace; only the accepted one counts.
    expect(establishedConnections(path)).toBe(2);
    first.destroy();
    await expect.poll(() => establishedConnections(path)).toBe(1);
    expect(establishedConnections(host.host)).toBe(0);
  });

  it('counts connections to a server of both families', async () => {
    const both = createServer();
    // Without a name to look up it listens at once, in this namespace.
    inNamespace(path, () => both.listen(9090));
    await new Promise((resolve) => both.once('listening', resolve));
    const accepted = new Promise((resolve) => both.once('connection', resolve));
    const client = new Socket({ fd: socketIn(path, { kind: 'tcp' }) });
    clients.push(client);
    client.connect({ host: '127.0.0.1', port: 9090 });
    await accepted;
    expect(establishedConnections(path)).toBe(1);
    both.close();
  });

  it('says that the namespace is gone', () => {
    expect(() => establishedConnections('/nowhere/at/all')).toThrow('the namespace is gone');
  });
});
