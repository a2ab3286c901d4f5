import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { establishedConnections, socketIn } from '@portolan/kernel';
import type { HealthProbe } from '@portolan/node-state';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { probeOutcome } from '../../src/watch/ask.js';
import { dial } from '../../src/watch/dial.js';
import { hostAnswer } from '../../src/watch/hosts.js';

let folder: string;
/** A namespace in which the servers are, and nothing else reaches them. */
let inside: string;
const servers: Server[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-watch-'));
  inside = join(folder, 'inside');
  writeFileSync(inside, '');
  execFileSync('unshare', [`--net=${inside}`, 'ip', 'link', 'set', 'lo', 'up']);
});
afterAll(() => {
  for (const server of servers) server.close();
  execFileSync('umount', [inside]);
  rmSync(folder, { recursive: true, force: true });
});

async function listenInside(server: Server, port: number): Promise<void> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen({ fd: socketIn(inside, { kind: 'tcp', bind: { address: '127.0.0.1', port } }) }, resolve));
}

function asking(check: Partial<HealthProbe>, path: () => string = () => inside) {
  const probe: HealthProbe = {
    space: 'own:lb_net',
    address: '127.0.0.1',
    kind: 'tcp',
    port: 8080,
    path: '',
    intervalMs: 1_000,
    timeoutMs: 5_000,
    failures: 2,
    successes: 2,
    ...check,
  };
  return probeOutcome(probe, path, dial, systemClock);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('a probe from a namespace', () => {
  it('connects there, and only there', async () => {
    await listenInside(
      createServer((socket) => socket.on('error', () => undefined)),
      8080,
    );
    expect(await asking({})).toBe('success');
    expect(await asking({ port: 8079 })).toBe('failure');
    expect(await asking({ address: '10.99.0.1' })).toBe('failure');
    const elsewhere = createServer();
    servers.push(elsewhere);
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    expect(await asking({ port: (elsewhere.address() as AddressInfo).port })).toBe('failure');
  });

  it('asks by HTTP, and takes 200 to 399 within its time for an answer', async () => {
    const seen: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      seen.push(request.url);
      const status = Number(/^\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
      if (status > 0) response.writeHead(status).end('x'.repeat(200_000));
      else if (request.url === '/broken') request.socket.destroy();
      else if (request.url === '/nonsense') request.socket.end('nonsense\r\n\r\n');
      else if (request.url !== '/silent') response.writeHead(204).end();
    });
    await listenInside(server, 8081);
    const get = (path: string, timeoutMs = 5_000) => asking({ kind: 'http', port: 8081, path, timeoutMs });
    expect(await Promise.all(['/200', '/204', '/302', '/399'].map((path) => get(path)))).toEqual(['success', 'success', 'success', 'success']);
    expect(await Promise.all(['/404', '/500', '/broken', '/nonsense'].map((path) => get(path)))).toEqual(['failure', 'failure', 'failure', 'failure']);
    expect(await get('/silent', 60)).toBe('timeout');
    expect(await get('/a b/ü?q=%20')).toBe('success');
    expect(seen.at(-1)).toBe('/a%20b/%C3%BC?q=%20');
    server.closeAllConnections();
  });

  it('says nothing about an endpoint when it cannot begin', async () => {
    expect(await asking({}, () => join(folder, 'gone'))).toBe('not-tried');
    expect(
      await asking({}, () => {
        throw new Error('the namespace is absent');
      }),
    ).toBe('not-tried');
  });

  it('leaves nothing behind, a thousand at once: no descriptor, no connection, none that waits', async () => {
    await asking({});
    const before = openDescriptors();
    const outcomes = await Promise.all(Array.from({ length: 1_000 }, (_, i) => asking(i % 2 === 0 ? {} : { kind: 'http', port: 8081, path: '/200' })));
    expect(new Set(outcomes)).toEqual(new Set(['success']));
    await new Promise((resolve) => setTimeout(resolve, 50));
    // The servers of this test are in this process, too.
    expect(openDescriptors()).toBeLessThanOrEqual(before + 2);
    expect(establishedConnections(inside)).toBe(0);
    const sockets = execFileSync('nsenter', [`--net=${inside}`, '--', 'cat', '/proc/net/tcp'], { encoding: 'utf8' });
    expect(sockets.split('\n').filter((line) => / 06 /.test(line)).length).toBeLessThan(20);
  });
});

describe('a host', () => {
  it('answers by a connection or by refusing it, and not when nothing comes back', async () => {
    expect(await hostAnswer('127.0.0.1', 500, (_path, address, port) => dial(inside, address, port), systemClock)).toBe(true);
    expect(await hostAnswer('10.99.0.1', 100, (_path, address, port) => dial(inside, address, port), systemClock)).toBe(false);
    expect(await hostAnswer('127.0.0.1', 500, (_path, address, port) => dial(join(folder, 'gone'), address, port), systemClock)).toBe(undefined);
  });
});
