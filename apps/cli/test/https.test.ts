import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { secondsOf } from '../src/duration.js';
import { screen } from './screen.js';

// A certificate for 127.0.0.1 that signed itself, good until 2126; its key opens nothing but this test.
const directory = fileURLToPath(new URL('fixtures', import.meta.url));
const server = createServer({ cert: readFileSync(`${directory}/loopback.pem`), key: readFileSync(`${directory}/loopback.key`) }, (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ items: [{ name: 'lab', revision: 3 }], nextCursor: null }));
});
let url = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function clusters(options: readonly string[], environment: Record<string, string> = {}) {
  const terminal = screen({ directory, environment: { PORTOLAN_URL: url, ...environment } });
  return { exitCode: await runPortolan(['get', 'clusters', ...options], terminal), out: terminal.out(), err: terminal.err() };
}

describe('a control plane over HTTPS', () => {
  it('is trusted by the authority that is named', async () => {
    const listed = { exitCode: 0, out: 'NAME  REVISION\nlab          3\n', err: '' };
    expect(await clusters(['--ca', 'loopback.pem'])).toEqual(listed);
    expect(await clusters([], { PORTOLAN_CA: `${directory}/loopback.pem` })).toEqual(listed);
  });

  it('is not trusted otherwise, and the fix says how to name it', async () => {
    const { exitCode, err } = await clusters([]);
    expect(exitCode).toBe(3);
    expect(err).toBe(
      `error: the certificate of ${url} is not trusted: self-signed certificate\n  fix: Name the certificate of its authority with --ca FILE or PORTOLAN_CA.\n`,
    );
  });

  it('is not asked where the file holds no certificate', async () => {
    expect(await clusters([], { PORTOLAN_CA: 'loopback.key' })).toMatchObject({ exitCode: 2, err: expect.stringContaining('PORTOLAN_CA') as unknown });
  });
});

it.each([
  ['90', 90],
  ['90s', 90],
  ['1.5s', 2],
  ['15m', 900],
  ['1h', 3600],
  ['30d', 2_592_000],
])('%s is a length of time', (text, seconds) => {
  expect(secondsOf(text, 'ttl')).toBe(seconds);
});

it.each(['', 'soon', '-3d', '1h30m', '1e400'])('"%s" is none', (text) => {
  expect(() => secondsOf(text, 'ttl')).toThrow(`--ttl ${text} is no length of time`);
});
