import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '@portolan/harness';
import { afterEach, describe, expect, it } from 'vitest';
import { forward, urlAt } from '../src/forward.js';
import { requestTimes } from '../src/programs/requests.js';
import { isAlive, recordedProcess } from '../src/record.js';

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function answering(status = 200): Promise<string> {
  let connections = 0;
  const server = createServer((request, response) => {
    response.statusCode = status;
    response.end(JSON.stringify({ endpoint: `c${connections}`, node: 'n', client: request.socket.remoteAddress }));
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('requests', () => {
  it('each have a connection of their own', async () => {
    const { answers, failures } = await requestTimes(await answering(), 4);
    expect(failures).toEqual([]);
    expect(answers.map(({ endpoint }) => endpoint)).toEqual(['c1', 'c2', 'c3', 'c4']);
  });

  it('that nobody answers all count as failed, and end soon', async () => {
    const url = await answering();
    await cleanups.pop()?.();
    const { answers, failures } = await requestTimes(url, 30);
    expect(answers).toEqual([]);
    expect(failures).toHaveLength(30);
    expect(failures[0]).toMatch('ECONNREFUSED');
  });
});

describe('the forwarder', () => {
  it('lets hosts of the lab reach what listens on loopback only, at the same port', async () => {
    const url = await answering();
    const forwarder = await forward('127.0.0.77', [url]);
    const { answers } = await requestTimes(urlAt(url, '127.0.0.77'), 2);
    expect(answers.map(({ client }) => client)).toEqual(['127.0.0.1', '127.0.0.1']);
    await forwarder.stop();
    expect((await requestTimes(urlAt(url, '127.0.0.77'), 1)).failures).toHaveLength(1);
  });

  it('keeps credentials, path and port of the URL', () => {
    expect(urlAt('redis://default:s%40crt@127.0.0.1:6380', '172.16.130.1')).toBe('redis://default:s%40crt@172.16.130.1:6380');
    expect(urlAt('redis://db.example', '172.16.130.1')).toBe('redis://172.16.130.1:6379');
    expect(urlAt('http://127.0.0.1:2379', '172.16.130.1')).toBe('http://172.16.130.1:2379');
  });

  it('says which port is taken', async () => {
    const url = await answering();
    await expect(forward('127.0.0.1', [url])).rejects.toMatchObject({ code: 'in-use' });
  });
});

describe('a recorded process', () => {
  it('is known by its start as well as its number', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const recorded = recordedProcess('sleeper', child.pid ?? 0);
    expect(isAlive(recorded)).toBe(true);
    expect(isAlive({ ...recorded, startTicks: recorded.startTicks - 1 })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(recorded)).toBe(false);
  });
});

describe('the container program', () => {
  it('answers with its name, its node and the client, on each port', async () => {
    const program = new URL('../src/programs/container.ts', import.meta.url).pathname;
    const port = await freePort();
    const child = spawn(process.execPath, ['--import', 'tsx', program, 'web.1', 'node1', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(line.toString()).toBe(`web.1 listens on ${port}\n`);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).json()).toEqual({ endpoint: 'web.1', node: 'node1', client: '127.0.0.1' });
  });
});
