import { readFileSync } from 'node:fs';
import { observedObject } from '@portolan/node-state';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { greet } from '../../src/relay/client.js';
import type { AgentUdpRelay } from '../../src/relay/udp-relay.js';
import { until } from '../stage.js';
import { failureOf, type Host, hostAddress, openStage, peerBody, podAddress, relayBody, type Stage, setLine } from './stage.js';
import { transfer } from './traffic.js';

let stage: Stage;
const relays = {} as Record<Host, AgentUdpRelay>;
const peerOf: Readonly<Record<Host, ReturnType<typeof peerBody>>> = {
  a: peerBody('10.5.2.0/24', hostAddress('b')),
  b: peerBody('10.5.1.0/24', hostAddress('a')),
};

const ping = (from: Host, to: Host): string => stage.run(`pod-${from}`, `ping -c 2 -i 0.1 -W 2 ${podAddress(to)}`);
const link = (host: Host): string => stage.run(host, 'ip -d link show flannel0');

/** Kilobytes that the program of a host has in memory. */
async function residentOf(host: Host): Promise<number> {
  const hello = await greet(stage.runDirectory(host));
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hello?.pid}/status`, 'utf8'))?.[1]);
}

beforeAll(async () => {
  stage = openStage();
  for (const host of ['a', 'b'] as const) {
    relays[host] = stage.agent(host, await stage.program());
    expect(await relays[host].observed()).toEqual([]);
    expect(await relays[host].counters()).toBeUndefined();
    await relays[host].change(setLine(relayBody(host)) + setLine(peerOf[host]));
    stage.address(host);
  }
});
afterAll(() => stage.dispose());

describe('two relays', () => {
  it('have the device that flanneld has, and say what there is', async () => {
    const shown = link('a');
    expect(shown).toMatch(/flannel0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1472 qdisc pfifo_fast .* qlen 500/);
    expect(shown).toMatch(/tun type tun pi off vnet_hdr off persist off .*numtxqueues 1/);
    const relay = observedObject('host', relayBody('a'));
    expect(shown).toContain(`alias portolan ${relay.key} ${relay.hash}\n`);
    expect(await relays.a.observed()).toEqual([relay, observedObject('host', peerOf.a)]);
    expect(stage.run('a', 'ss -Hlun sport = :8285')).toMatch(/172\.31\.0\.1:8285/);
  });

  it('cost a ping four hops, and carry TCP whole', async () => {
    expect(ping('a', 'b')).toContain('ttl=60 ');
    expect(ping('b', 'a')).toContain('ttl=60 ');
    expect(await transfer(stage, 'pod-a', 'pod-b', podAddress('b'), 20_000_000)).toMatchObject({ isSame: true });
  });

  it('count what they carry', async () => {
    // The connection of the test before this one may still be closing.
    let before: Awaited<ReturnType<typeof relays.a.counters>>;
    await vi.waitFor(
      async () => {
        const earlier = before;
        before = await relays.a.counters();
        expect(before).toEqual(earlier);
      },
      { interval: 200, timeout: 5_000 },
    );
    stage.run('pod-a', `ping -c 10 -i 0.01 -s 972 ${podAddress('b')}`);
    // A packet is counted when it has been handed on, so the last answer may be seen before it.
    let after = before;
    const grown = (of: 'sent' | 'received' | 'sentBytes' | 'receivedBytes'): number => (after?.[of] ?? 0) - (before?.[of] ?? 0);
    await vi.waitFor(async () => {
      after = await relays.a.counters();
      expect([grown('sent'), grown('received'), grown('sentBytes'), grown('receivedBytes')]).toEqual([10, 10, 10_000, 10_000]);
    });
    expect(Object.keys(after?.dropped ?? {})).toEqual(['noRoute', 'ttl', 'malformed', 'tooLong', 'refused']);
    expect(after?.queued).toBe(0);
  });

  it('keep their memory over fifty thousand packets, and lose none that waits', async () => {
    const flood = (): void => void stage.run('pod-a', `ping -f -q -c 6000 -l 20 -s 1200 ${podAddress('b')}`);
    flood();
    const before = [await residentOf('a'), await residentOf('b')];
    for (let i = 0; i < 4; i++) flood();
    const after = [await residentOf('a'), await residentOf('b')];
    expect((await relays.a.counters())?.received).toBeGreaterThan(25_000);
    expect((await relays.a.counters())?.dropped.refused).toBe(0);
    for (const [i, kilobytes] of after.entries()) expect(kilobytes - (before[i] ?? 0)).toBeLessThan(8_192);
  });

  it('take thousands of peers in one message, while packets flow', async () => {
    const peers = Array.from({ length: 5_000 }, (_, i) => peerBody(`11.${i >> 8}.${i & 255}.0/24`, '172.31.0.50'));
    const flow = transfer(stage, 'pod-a', 'pod-b', podAddress('b'), 20_000_000);
    const began = performance.now();
    await relays.a.change(peers.map(setLine).join(''));
    expect(performance.now() - began).toBeLessThan(2_000);
    expect((await relays.a.observed()).length).toBe(5_002);
    await relays.a.change(peers.map(({ subnet }) => `delete udp-relay-peer/host/flannel0/${subnet}\n`).join(''));
    expect((await relays.a.observed()).length).toBe(2);
    expect(await flow).toMatchObject({ isSame: true });
  });
});

describe('the device', () => {
  const hashes = async (): Promise<string[]> => (await relays.a.observed()).map(({ hash }) => hash);
  const wanted = observedObject('host', relayBody('a'));

  it('that is down is seen to be, and the same line sets it up; packets flow again', async () => {
    stage.run('a', 'ip link set flannel0 down');
    expect((await hashes())[0]).toBe('');
    await relays.a.change(setLine(relayBody('a')));
    expect((await hashes())[0]).toBe(wanted.hash);
    // The kernel has taken the route with the link.
    stage.run('a', 'ip route replace 10.5.0.0/16 dev flannel0 proto 80');
    expect(ping('a', 'b')).toContain('ttl=60 ');
  });

  it('gets another MTU in place, and what was altered is seen and put right', async () => {
    const index = link('a').split(':', 1);
    const smaller = relayBody('a', { mtu: 1300 });
    await relays.a.change(setLine(smaller));
    expect(link('a')).toContain(' mtu 1300 ');
    expect(link('a').split(':', 1)).toEqual(index);
    expect((await hashes())[0]).toBe(observedObject('host', smaller).hash);
    expect(link('a')).toContain(observedObject('host', smaller).hash);
    expect(ping('a', 'b')).toContain('ttl=60 ');
    stage.run('a', 'ip link set flannel0 mtu 1400');
    expect((await relays.a.observed())[0]?.body).toEqual(relayBody('a', { mtu: 1400 }));
    await relays.a.change(setLine(relayBody('a')));
    expect((await hashes())[0]).toBe(wanted.hash);
    expect(await transfer(stage, 'pod-a', 'pod-b', podAddress('b'), 2_000_000)).toMatchObject({ isSame: true });
  });

  it('is made anew for another port, and what peers there were stay', async () => {
    const index = link('a').split(':', 1);
    for (const host of ['a', 'b'] as const) {
      await relays[host].change(setLine(relayBody(host, { port: 9_285 })));
      stage.address(host);
    }
    expect(link('a').split(':', 1)).not.toEqual(index);
    expect(ping('a', 'b')).toContain('ttl=60 ');
    expect(stage.run('a', 'ss -Hlun sport = :8285')).toBe('');
    for (const host of ['a', 'b'] as const) {
      await relays[host].change(setLine(relayBody(host)));
      stage.address(host);
    }
    expect(ping('b', 'a')).toContain('ttl=60 ');
  });

  it('stays as it is when the new port is taken', async () => {
    const squatter = stage.udp('a', { address: hostAddress('a'), port: 9_999 });
    const failure = await failureOf(relays.a.change(setLine(relayBody('a', { port: 9_999 }))));
    expect([failure.code, failure.message]).toEqual(['apply-failed', expect.stringContaining('EADDRINUSE')]);
    expect(failure.problems[0].fix).toContain('9999');
    squatter.unref();
    expect(await hashes()).toEqual([wanted.hash, observedObject('host', peerOf.a).hash]);
    expect(ping('a', 'b')).toContain('ttl=60 ');
  });

  it('that somebody deleted is no longer told of, and comes back with its peers', async () => {
    stage.run('a', 'ip link del flannel0');
    expect((await relays.a.observed()).map(({ kind }) => kind)).toEqual(['udp-relay-peer']);
    const pid = (await greet(stage.runDirectory('a')))?.pid;
    await until(() => stage.run('a', 'ss -Hlun sport = :8285') === '', 'the socket was closed');
    expect(await relays.a.counters()).toBeUndefined();
    await relays.a.change(setLine(relayBody('a')));
    stage.address('a');
    expect(ping('a', 'b')).toContain('ttl=60 ');
    expect((await greet(stage.runDirectory('a')))?.pid).toBe(pid);
  });
});
