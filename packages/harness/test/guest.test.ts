import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostOf, type LabMachine, makeContainerNamespace, makeHosts, openLabMachine, processStartTicks, runProcess, startIn } from '../src/index.js';

const directory = mkdtempSync(join(tmpdir(), 'portolan-guest-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function hasLink(name: string): Promise<boolean> {
  return (await runProcess(['ip', 'link', 'show', name])).exitCode === 0;
}

async function becomes(condition: () => Promise<boolean> | boolean, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

describe('a User-Mode Linux guest', () => {
  let machine: LabMachine;
  beforeAll(async () => {
    machine = await openLabMachine({ directory, kind: 'uml' });
  });
  afterAll(async () => machine.stop());

  it('has IPVS, and sees the files of the machine', async () => {
    expect((await machine.run(['ipvsadm', '-A', '-f', '1', '-s', 'rr'])).stderr).toBe('');
    expect((await machine.run(['ipvsadm', '-Sn'])).stdout).toContain('-A -f 1 -s rr');
    expect(JSON.parse((await machine.run(['cat', join(import.meta.dirname, '../package.json')])).stdout)).toMatchObject({ name: '@portolan/harness' });
  });

  it('gives input, output and exit code of programs, and says what cannot be started', async () => {
    const long = 'sounding '.repeat(30_000);
    expect(await machine.run(['cat'], long)).toMatchObject({ exitCode: 0, stdout: long });
    expect(await machine.run(['sh', '-c', 'echo reef >&2; exit 3'])).toMatchObject({ exitCode: 3, stderr: 'reef\n' });
    expect((await machine.run(['no-such-program'])).exitCode).toBe(127);
    await expect(machine.start(['no-such-program'], { logFile: join(directory, 'none.log') })).rejects.toThrow('ENOENT');
  });

  it('starts programs with a log outside, and kills them by signal', async () => {
    const logFile = join(directory, 'sleeper.log');
    const sleeper = await machine.start(['sh', '-c', 'echo "$SHIP"; exec sleep 60'], { env: { SHIP: 'Vasa' }, logFile });
    expect(await becomes(() => readFileSync(logFile, 'utf8') === 'Vasa\n', 5_000)).toBe(true);
    await sleeper.kill('SIGKILL');
    expect(await sleeper.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
    await sleeper.kill('SIGKILL');
  });

  it('connects its hosts with this machine, both ways and for large bodies', async () => {
    const body = Buffer.alloc(8 << 20, 'x');
    const server = createServer((request, response) => {
      let length = 0;
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on('end', () => response.end(length > 0 ? String(length) : body));
    });
    server.listen(0, machine.underlay.gateway);
    await once(server, 'listening');
    const host = hostOf('beacon', machine.underlay.gateway.replace(/1$/, '140'));
    await makeHosts(machine, [host]);
    const url = `http://${machine.underlay.gateway}:${(server.address() as AddressInfo).port}`;
    const program = `
      const got = (await (await fetch('${url}')).arrayBuffer()).byteLength;
      const sent = await (await fetch('${url}', { method: 'PUT', body: Buffer.alloc(${8 << 20}) })).text();
      console.log(got + ' ' + sent);`;
    const { stdout, stderr } = await machine.run(['nsenter', `--net=${host.netns}`, '--', process.execPath, '--input-type=module', '-e', program]);
    expect(stderr).toBe('');
    expect(stdout).toBe(`${body.length} ${body.length}\n`);
    const answering = `require('http').createServer((q, s) => s.end(q.socket.remoteAddress)).listen(8000)`;
    await startIn(machine, host.netns, [process.execPath, '-e', answering], { logFile: join(directory, 'beacon.log') });
    const seen = async () => (await fetch(`http://${host.address}:8000`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined))?.text();
    let client: string | undefined;
    await becomes(async () => {
      client = await seen();
      return client !== undefined;
    }, 10_000);
    expect(client).toContain(machine.underlay.gateway);
    server.close();
  });

  it('refuses an address that the lab needs itself', async () => {
    await expect(makeHosts(machine, [hostOf('reef', machine.underlay.gateway)])).rejects.toMatchObject({ code: 'address-taken' });
    for (const address of machine.reserved) await expect(makeHosts(machine, [hostOf('reef', address)])).rejects.toMatchObject({ code: 'address-taken' });
  });

  it('makes namespaces for containers, with lo up, only where ip netns keeps its own', async () => {
    await makeContainerNamespace(machine, '/run/netns/crate');
    expect((await machine.run(['ip', '-br', '-n', 'crate', 'address'])).stdout).toMatch(/^lo\s+UNKNOWN\s+127\.0\.0\.1/);
    await expect(makeContainerNamespace(machine, '/srv/crate')).rejects.toMatchObject({ code: 'invalid-document' });
  });

  it('is gone after stop, with its network device', async () => {
    const own = await openLabMachine({ directory: join(directory, 'second'), kind: 'uml' });
    const pid = own.guestPid ?? 0;
    expect(processStartTicks(pid)).toBeDefined();
    await own.stop();
    expect(processStartTicks(pid)).toBeUndefined();
    expect(await hasLink(own.underlay.bridge)).toBe(false);
    await expect(own.run(['true'])).rejects.toThrow('gone');
  });

  it('powers off by itself when the process that opened it is killed', async () => {
    const harness = new URL('../dist/index.js', import.meta.url).href;
    const program = `
      import { openLabMachine } from ${JSON.stringify(harness)};
      const machine = await openLabMachine({ directory: ${JSON.stringify(join(directory, 'third'))}, kind: 'uml' });
      console.log(JSON.stringify({ pid: machine.guestPid, link: machine.underlay.bridge }));
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const { pid, link } = JSON.parse(line.toString('utf8')) as { pid: number; link: string };
    expect(await hasLink(link)).toBe(true);
    owner.kill('SIGKILL');
    expect(await becomes(() => processStartTicks(pid) === undefined, 8_000)).toBe(true);
    expect(await becomes(async () => !(await hasLink(link)), 2_000)).toBe(true);
  });
});
