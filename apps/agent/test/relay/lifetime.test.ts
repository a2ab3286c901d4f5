import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, greet, relaySocket } from '../../src/relay/client.js';
import { until } from '../stage.js';
import { deleteLine, failureOf, type Host, hostAddress, openStage, peerBody, podAddress, relayBody, type Stage, setLine } from './stage.js';
import { pings } from './traffic.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const agentSide = fileURLToPath(new URL('./agent-side.ts', import.meta.url));

let stage: Stage;
let program: string;

const textFor = (host: Host): string => {
  const other = host === 'a' ? 'b' : 'a';
  return setLine(relayBody(host)) + setLine(peerBody(`${podAddress(other).slice(0, -2)}.0/24`, hostAddress(other)));
};
const pidOf = async (host: Host): Promise<number> => (await greet(stage.runDirectory(host)))?.pid ?? 0;
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

async function begin(host: Host): Promise<void> {
  await stage.agent(host, program).change(textFor(host));
  stage.address(host);
}

beforeAll(async () => {
  stage = openStage();
  program = await stage.program();
});
afterEach(async () => {
  for (const host of ['a', 'b'] as const) await stage.stop(host);
});
afterAll(() => stage.dispose());

describe('the program', () => {
  it('goes on when its agent is killed, and the next one finds it: no packet is lost', async () => {
    await begin('b');
    const argv = ['--import', 'tsx', '--conditions=source', agentSide, stage.runDirectory('a'), program, stage.path('a'), textFor('a')];
    const agent = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(agent.stdout, 'data');
    stage.address('a');
    const flow = pings(stage, 'pod-a', podAddress('b'));
    const pid = await pidOf('a');
    await new Promise((resolve) => setTimeout(resolve, 200));
    agent.kill('SIGKILL');
    await once(agent, 'exit');
    const next = stage.agent('a', program);
    expect((await next.observed()).map(({ kind }) => kind)).toEqual(['udp-relay', 'udp-relay-peer']);
    await next.change(textFor('a'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { sent, lost } = await flow.end();
    expect(await pidOf('a')).toBe(pid);
    expect(sent).toBeGreaterThan(50);
    expect(lost).toBe(0);
  });

  it('of another version hands over to ours: device, socket and peers stay, and no packet is lost', async () => {
    for (const host of ['a', 'b'] as const) await begin(host);
    const shown = stage.run('a', 'ip -d addr show flannel0');
    const old = await pidOf('a');
    const flow = pings(stage, 'pod-a', podAddress('b'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const next = stage.agent('a', await stage.program('b'));
    expect((await next.observed()).map(({ kind }) => kind)).toEqual(['udp-relay', 'udp-relay-peer']);
    const pid = await pidOf('a');
    expect(pid).not.toBe(old);
    await until(() => !isAlive(old), 'the old program ended');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { sent, lost } = await flow.end();
    expect(sent).toBeGreaterThan(20);
    expect(lost).toBe(0);
    expect(stage.run('a', 'ip -d addr show flannel0')).toBe(shown);
    // The same version stays, and what is asked meanwhile is answered by whoever is there.
    await Promise.all([1, 2, 3].map(async () => stage.agent('a', await stage.program('b')).observed()));
    expect(await pidOf('a')).toBe(pid);
    const back = stage.agent('a', program);
    const answers = await Promise.all([back.counters(), ...Array.from({ length: 20 }, () => ask(stage.runDirectory('a'), { kind: 'observe' }))]);
    expect(answers.every((answer) => answer !== undefined)).toBe(true);
    expect(await pidOf('a')).not.toBe(pid);
    await back.change(deleteLine(relayBody('a')));
  });

  it('goes on when the one that is to follow cannot', async () => {
    await begin('a');
    const old = await pidOf('a');
    const failure = await failureOf(ask(stage.runDirectory('a'), { kind: 'replace', program: join(stage.folder, 'nothing.mjs') }));
    expect(failure.message).toMatch(/to follow ended with 1/);
    expect(await pidOf('a')).toBe(old);
    expect((await stage.agent('a', program).observed()).length).toBe(2);
  });

  it('is one for a run directory', async () => {
    await begin('a');
    const second = stage.spawn('a', [process.execPath, program, '--run', stage.runDirectory('a')]);
    expect((await once(second, 'exit'))[0]).toBe(4);
    expect(statSync(relaySocket(stage.runDirectory('a'))).mode & 0o777).toBe(0o600);
    // Two that begin at once: one is left, and both ways of asking reach it.
    await stage.stop('a');
    await Promise.all([stage.agent('a', program), stage.agent('a', program)].map((agent) => agent.change(textFor('a'))));
    // The other one is still about to end.
    await until(() => stage.run('a', `pgrep -fc 'udp-relay-a.mjs --run ${stage.runDirectory('a')}$'`).trim() === '1', 'one is left');
  });

  it('killed takes the device with it, and is started again', async () => {
    await begin('a');
    process.kill(await pidOf('a'), 'SIGKILL');
    const agent = stage.agent('a', program);
    await until(() => !stage.run('a', 'ip link').includes('flannel0'), 'the device is gone');
    expect(await agent.observed()).toEqual([]);
    await agent.change(textFor('a'));
    expect((await agent.observed()).length).toBe(2);
  });

  it('ends when its device is deleted, and deleting once more is nothing', async () => {
    await begin('a');
    const agent = stage.agent('a', program);
    const pid = await pidOf('a');
    await agent.change(deleteLine(relayBody('a')));
    await until(() => !isAlive(pid), 'the program ended');
    expect(existsSync(relaySocket(stage.runDirectory('a')))).toBe(false);
    await agent.change(deleteLine(relayBody('a')) + deleteLine(peerBody('10.5.2.0/24', hostAddress('b'))));
    expect(await agent.observed()).toEqual([]);
    expect((await failureOf(agent.change(setLine(peerBody('10.5.2.0/24', hostAddress('b')))))).code).toBe('apply-failed');
    // Gone and made in one batch: another device, the same peers.
    await agent.change(textFor('a'));
    const same = await pidOf('a');
    await agent.change(deleteLine(relayBody('a')) + textFor('a'));
    expect([await pidOf('a'), (await agent.observed()).length]).toEqual([same, 2]);
  });

  it('makes its socket again when that was removed, and ends with its run directory', async () => {
    await begin('a');
    const pid = await pidOf('a');
    rmSync(relaySocket(stage.runDirectory('a')));
    await until(() => existsSync(relaySocket(stage.runDirectory('a'))), 'the socket is back');
    expect(await pidOf('a')).toBe(pid);
    rmSync(stage.runDirectory('a'), { recursive: true });
    await until(() => !isAlive(pid), 'the program ended');
    expect(stage.run('a', 'ip link')).not.toContain('flannel0');
  });
});
