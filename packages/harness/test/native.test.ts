import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { requireFreeSubnet } from '../src/hosts/underlay.js';
import { commonSubnet, hostOf, type LabHost, makeHosts, openLabMachine, removeUnderlay, runProcess, startIn } from '../src/index.js';

const directory = mkdtempSync(join(tmpdir(), 'portolan-native-'));
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(directory, { recursive: true, force: true });
});

describe('this machine as a lab machine', () => {
  it('makes hosts that reach each other and this machine, and removes its bridge and processes', async () => {
    const machine = await openLabMachine({ directory, kind: 'native' });
    const { bridge, gateway } = machine.underlay;
    cleanups.push(() => removeUnderlay(bridge));
    const prefix = `pt${process.pid % 1000}-`;
    const hosts = ['a', 'b'].map((name, index): LabHost => hostOf(name, gateway.replace(/1$/, String(140 + index)), prefix));
    for (const { netns } of hosts) cleanups.push(() => runProcess(['ip', 'netns', 'delete', netns.replace('/run/netns/', '')]));
    await makeHosts(machine, hosts);
    const [a, b] = hosts as [LabHost, LabHost];

    const logFile = join(directory, 'server.log');
    const program = `require('http').createServer((q, s) => s.end(q.socket.remoteAddress)).listen(8000, '0.0.0.0')`;
    const server = await startIn(machine, a.netns, [process.execPath, '-e', program], { logFile });
    const asked = `fetch('http://${a.address}:8000').then((r) => r.text()).then(console.log)`;
    const ask = () => machine.run(['nsenter', `--net=${b.netns}`, '--', process.execPath, '-e', asked]);
    let answer = await ask();
    for (let attempt = 0; answer.exitCode !== 0 && attempt < 20; attempt += 1) answer = await ask();
    expect(answer.stdout.trim()).toBe(b.address);
    expect(await (await fetch(`http://${a.address}:8000`)).text()).toBe(gateway);

    await machine.stop();
    expect(await server.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
    expect((await runProcess(['ip', 'link', 'show', bridge])).exitCode).not.toBe(0);
  });
});

describe('the choice of a machine', () => {
  it('is this one, IPVS or not, where no host balances', async () => {
    vi.stubEnv('PORTOLAN_LAB_MACHINE', '');
    cleanups.push(async () => vi.unstubAllEnvs());
    const machine = await openLabMachine({ directory, balances: false });
    cleanups.push(() => machine.stop());
    expect(machine.kind).toBe('native');
  });
});

describe('the underlay', () => {
  it('is the /24 of all nodes', () => {
    expect(commonSubnet(['172.16.130.140', '172.16.130.170'])).toBe('172.16.130.0/24');
    expect(() => commonSubnet(['172.16.130.140', '172.16.131.1'])).toThrow('one /24');
    expect(() => commonSubnet([])).toThrow('one /24');
  });

  it('refuses a network that this machine routes elsewhere, and not its own', async () => {
    const link = `pt${process.pid}r`;
    cleanups.push(() => removeUnderlay(link));
    await runProcess(['ip', '-batch', '-'], `link add ${link} type bridge\naddr add 172.30.77.9/25 dev ${link}\nlink set ${link} up\n`);
    await expect(requireFreeSubnet('172.30.77.0/24', 'other')).rejects.toMatchObject({ code: 'in-use', message: expect.stringContaining('172.30.77.0/25') });
    await expect(requireFreeSubnet('172.30.77.0/24', link)).resolves.toBeUndefined();
    await expect(requireFreeSubnet('172.30.78.0/24', 'other')).resolves.toBeUndefined();
  });
});
