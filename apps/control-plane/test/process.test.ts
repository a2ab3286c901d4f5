import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.js';
import { listenOn, randomId } from '../src/index.js';
import { startTestPlane } from './test-plane.js';

describe('configuration', () => {
  it('has defaults', () => {
    expect(readConfig({})).toEqual({
      listen: [{ host: '127.0.0.1', port: 7080 }],
      databaseUrl: 'postgresql://localhost:5432/portolan',
      redisUrl: 'redis://127.0.0.1:6379',
      etcdEndpoints: ['http://127.0.0.1:2379'],
      logLevel: 'info',
      token: undefined,
    });
  });

  it('listens with TLS where it is told to, by the names that it is told', () => {
    const config = readConfig({
      ...{ PORTOLAN_LISTEN: '', PORTOLAN_TLS_LISTEN: '0.0.0.0:7443', PORTOLAN_TLS_NAMES: 'a.example, 192.0.2.1,2001:db8::1' },
      ...{ PORTOLAN_PUBLIC_URL: 'https://b.example:7443', PORTOLAN_ETCD_USER: 'root', PORTOLAN_ETCD_PASSWORD: 'p' },
    });
    expect(config).toMatchObject({
      listen: [],
      tls: { listen: [{ host: '0.0.0.0', port: 7443 }], directory: '/var/lib/portolan/tls', names: ['a.example', '192.0.2.1', '2001:db8::1', 'b.example'] },
      etcdUser: { user: 'root', password: 'p' },
    });
  });

  it.each([
    [{ PORTOLAN_LISTEN: '' }, 'PORTOLAN_TLS_LISTEN'],
    [{ PORTOLAN_ETCD_USER: 'root' }, 'write both, or neither'],
    [{ PORTOLAN_TLS_LISTEN: 'x' }, 'PORTOLAN_TLS_LISTEN=x'],
    [{ PORTOLAN_TLS_LISTEN: '127.0.0.1:1', PORTOLAN_TLS_NAMES: 'a b' }, 'PORTOLAN_TLS_NAMES'],
    [{ PORTOLAN_PUBLIC_URL: 'http://a.example' }, 'PORTOLAN_PUBLIC_URL'],
  ])('names what is wrong with %j', (environment, part) => {
    expect(() => readConfig(environment)).toThrow(part);
  });

  it('reads several addresses and endpoints', () => {
    const config = readConfig({ PORTOLAN_LISTEN: '127.0.0.1:7080, [::1]:7081,localhost:0', ETCD_ENDPOINTS: 'http://a:1,https://b:2', PORTOLAN_TOKEN: 't' });
    expect(config.listen).toEqual([
      { host: '127.0.0.1', port: 7080 },
      { host: '::1', port: 7081 },
      { host: 'localhost', port: 0 },
    ]);
    expect(config).toMatchObject({ etcdEndpoints: ['http://a:1', 'https://b:2'], token: 't' });
  });

  it.each([
    ['PORTOLAN_LISTEN', '7080'],
    ['PORTOLAN_LISTEN', '127.0.0.1:99999'],
    ['PORTOLAN_LISTEN', '300.0.0.1:80'],
    ['DATABASE_URL', 'mysql://x'],
    ['REDIS_URL', 'localhost'],
    ['ETCD_ENDPOINTS', 'a:1,b'],
    ['LOG_LEVEL', 'loud'],
  ])('%s=%s is refused with what to write', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}=.* is not valid: write it as `));
  });

  it('names every wrong value at once, never the token', () => {
    expect(() => readConfig({ LOG_LEVEL: 'x', REDIS_URL: 'y', PORTOLAN_TOKEN: 'secret' })).toThrow(/^REDIS_URL[^\n]*\nLOG_LEVEL[^\n]*$/);
  });
});

it('ids are 25 characters and do not repeat', () => {
  const ids = Array.from({ length: 1000 }, randomId);
  for (const id of ids) expect(id).toMatch(/^[a-z0-9]{25}$/);
  expect(new Set(ids).size).toBe(1000);
});

it('listens on several addresses, and leaves all of them when it stops', async () => {
  const plane = await startTestPlane();
  const urls = await listenOn(plane.app, [
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.2', port: 0 },
  ]);
  expect(urls).toHaveLength(2);
  for (const url of urls) expect((await fetch(`${url}/healthz`)).status).toBe(200);
  await plane.stop();
  for (const url of urls) await expect(fetch(`${url}/healthz`)).rejects.toThrow();
});

it('answers a wait that its caller gave up, without harm', async () => {
  const plane = await startTestPlane();
  const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('POST', '/v1/clusters/lab/nodes', { name: 'n1', address: '172.16.130.1' });
  const waiting = request(`${url}/v1/clusters/lab/wait?timeout=60`).on('error', () => undefined);
  waiting.end();
  await new Promise((resolve) => setTimeout(resolve, 100));
  waiting.destroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});
