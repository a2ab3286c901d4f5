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
