import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningServer, startEtcd, startPostgres, startRedis, startServers, stopLeftovers } from '../src/index.js';
import { findPostgresPrograms } from '../src/servers/programs.js';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-servers-'));
  cleanups.push(async () => {
    await stopLeftovers(directory);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** Runs a program to its end and returns what it printed. */
async function output(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn(file, [...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  await once(child, 'close');
  return text.trim();
}

const sql = (url: string, statement: string): Promise<string> => output(join(findPostgresPrograms(), 'psql'), ['-X', '-A', '-t', '-c', statement, url]);
const redis = (url: string, ...args: string[]): Promise<string> => output('redis-cli', ['--no-auth-warning', '-u', url, ...args]);
const etcdKey = Buffer.from('ship').toString('base64');
async function etcd(url: string, call: 'put' | 'range', body: object): Promise<{ kvs?: { value: string }[] }> {
  const answer = await fetch(`${url}/v3/kv/${call}`, { method: 'POST', body: JSON.stringify({ key: etcdKey, ...body }), signal: AbortSignal.timeout(2_000) });
  return (await answer.json()) as { kvs?: { value: string }[] };
}

interface Kind {
  readonly name: string;
  start(options: { directory: string; port?: number; durable?: boolean }): Promise<RunningServer>;
  write(url: string): Promise<unknown>;
  /** 'santa maria' when the row, key or value is there. */
  read(url: string): Promise<string | undefined>;
}
const kinds: readonly Kind[] = [
  {
    name: 'PostgreSQL',
    start: startPostgres,
    write: (url) => sql(url, "create table ship as select 'santa maria' as name"),
    read: (url) => sql(url, 'select name from ship'),
  },
  { name: 'Redis', start: startRedis, write: (url) => redis(url, 'set', 'ship', 'santa maria'), read: (url) => redis(url, 'get', 'ship') },
  {
    name: 'etcd',
    start: startEtcd,
    write: (url) => etcd(url, 'put', { value: Buffer.from('santa maria').toString('base64') }),
    read: async (url) => Buffer.from((await etcd(url, 'range', {})).kvs?.[0]?.value ?? '', 'base64').toString(),
  },
];

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false;
  } catch {
    return false;
  }
}

function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
    socket.unref();
  });
}

describe.each(kinds)('a private $name', (kind) => {
  // mkdtemp makes folders of mode 0700, which the account of PostgreSQL could not pass: the server's own folder is the outermost.
  const folder = (): string => newDirectory();

  it('starts, keeps what was written over stop and SIGKILL, and starts again on the same port', async () => {
    const directory = folder();
    const first = await kind.start({ directory, durable: false });
    expect(first.url).toContain(`127.0.0.1:${first.port}`);
    await kind.write(first.url);
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const begun = performance.now();
    const second = await kind.start({ directory, durable: false });
    const milliseconds = performance.now() - begun;
    expect(second.port).toBe(first.port);
    expect(second.url).toBe(first.url);
    expect(await kind.read(second.url)).toBe('santa maria');
    // Alone it takes under 0.5 s; other tests run beside.
    expect(milliseconds).toBeLessThan(3_000);

    const killed = second.pid;
    await second.kill('SIGKILL');
    expect(isAlive(killed)).toBe(false);
    expect(await acceptsConnections(second.port)).toBe(false);
    await second.restart();
    expect(second.pid).not.toBe(killed);
    expect(await kind.read(second.url)).toBe('santa maria');
  });

  it('ends what a killed run left, and refuses the directory of a run that lives', async () => {
    const directory = folder();
    const script = `
      const { ${kind.start.name} } = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)});
      const server = await ${kind.start.name}({ directory: ${JSON.stringify(directory)}, durable: false });
      console.log(server.pid);
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(() => void owner.kill('SIGKILL'));
    const pid = Number(String((await once(owner.stdout, 'data'))[0]));
    await expect(kind.start({ directory, durable: false })).rejects.toMatchObject({ code: 'in-use' });

    owner.kill('SIGKILL');
    await once(owner, 'exit');
    expect(isAlive(pid)).toBe(true);
    const successor = await kind.start({ directory, durable: false });
    expect(isAlive(pid)).toBe(false);
    await kind.write(successor.url);
    expect(await kind.read(successor.url)).toBe('santa maria');
    expect(await stopLeftovers(directory)).toEqual([kind.name]);
    expect(isAlive(successor.pid)).toBe(false);
    expect(await stopLeftovers(directory)).toEqual([]);
  });
});

describe('leftovers', () => {
  it('never stops a process that only has the id of a server', async () => {
    const directory = newDirectory();
    const bystander = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    cleanups.push(() => void bystander.kill());
    await once(bystander, 'spawn');
    const server = await startRedis({ directory: join(directory, 'redis'), durable: false });
    const record = JSON.parse(readFileSync(join(directory, 'redis', 'server.json'), 'utf8')) as Record<string, unknown>;
    await server.stop();
    writeFileSync(join(directory, 'redis', 'server.json'), JSON.stringify({ ...record, pid: bystander.pid }));
    expect(await stopLeftovers(directory)).toEqual([]);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  });

  it('wakes and stops a paused server', async () => {
    const directory = newDirectory();
    const server = await startEtcd({ directory: join(directory, 'etcd'), durable: false });
    server.pause();
    expect(await stopLeftovers(directory)).toEqual(['etcd']);
    expect(isAlive(server.pid)).toBe(false);
  });
});

describe('startServers', () => {
  it('starts the three, and again on what they hold', async () => {
    const directory = newDirectory();
    const first = await startServers({ directory, durable: false });
    await Promise.all([kinds[0]?.write(first.databaseUrl), kinds[1]?.write(first.redisUrl), kinds[2]?.write(first.etcdEndpoints[0] ?? '')]);
    await first.stop();
    const second = await startServers({ directory, durable: false });
    const read = await Promise.all([kinds[0]?.read(second.databaseUrl), kinds[1]?.read(second.redisUrl), kinds[2]?.read(second.etcdEndpoints[0] ?? '')]);
    expect(read).toEqual(['santa maria', 'santa maria', 'santa maria']);
    await second.stop();
  });

  it('uses servers that exist', async () => {
    const use = { databaseUrl: 'postgresql://db/portolan', redisUrl: 'redis://queue', etcdEndpoints: ['http://a:2379', 'http://b:2379'] };
    const servers = await startServers({ directory: newDirectory(), use });
    expect(servers).toMatchObject(use);
    await servers.stop();
  });

  it('stops the others when one does not start, and says what its log says', async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, 'etcd', 'member'), { recursive: true });
    writeFileSync(join(directory, 'etcd', 'member', 'member'), 'not a directory');
    await expect(startServers({ directory, durable: false, use: { databaseUrl: 'postgresql://db/portolan' } })).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('not a directory'),
    });
    expect(await stopLeftovers(directory)).toEqual([]);
  });
});

describe('what is missing', () => {
  it('names the Debian package', () => {
    expect(() => findPostgresPrograms('/nowhere')).toThrow(
      expect.objectContaining({ code: 'tool-missing', problems: [expect.objectContaining({ fix: expect.stringContaining('postgresql') })] }),
    );
  });

  it.runIf(process.getuid?.() === 0)('says which folder keeps PostgreSQL out, and finds another place by itself in startServers', async () => {
    const closed = newDirectory();
    const directory = join(closed, 'inner', 'postgres');
    await expect(startPostgres({ directory, durable: false })).rejects.toMatchObject({
      code: 'in-use',
      message: expect.stringContaining(closed),
      problems: [expect.objectContaining({ fix: expect.stringContaining(`chmod o+x ${closed}`) })],
    });
    const servers = await startServers({
      directory: join(closed, 'inner'),
      durable: false,
      use: { redisUrl: 'redis://queue', etcdEndpoints: ['http://a:2379'] },
    });
    cleanups.push(() => servers.stop());
    expect(await sql(servers.databaseUrl, 'show data_directory')).toMatch(/^\/var\/lib\/portolan\/[0-9a-f]{12}\/postgres$/);
    const files = await sql(servers.databaseUrl, 'show data_directory');
    cleanups.push(async () => {
      await servers.stop();
      rmSync(join(files, '..'), { recursive: true, force: true });
    });
  });
});
