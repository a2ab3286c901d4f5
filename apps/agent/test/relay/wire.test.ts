import type { Socket as UdpSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksum } from '../../src/relay/packet.js';
import type { AgentUdpRelay } from '../../src/relay/udp-relay.js';
import { until } from '../stage.js';
import { capture } from './capture.js';
import { ipv4Packet, udpPacket } from './packets.js';
import { deleteLine, hostAddress, openStage, PORT, peerBody, podAddress, relayBody, type Stage, setLine, tunnelAddress } from './stage.js';

/** Host `a` has our relay; at `b` the test itself is what flanneld would be: a UDP socket. */
let stage: Stage;
let relay: AgentUdpRelay;
let flanneld: UdpSocket;
const arrived: { packet: Buffer; port: number; address: string }[] = [];

const dropped = async (reason: string): Promise<number> => (await relay.counters())?.dropped[reason] ?? -1;

/** Sends to the relay, and waits until it has counted. */
function send(packet: Buffer): void {
  flanneld.send(packet, PORT, hostAddress('a'));
}

async function untilDropped(reason: string, count: number): Promise<void> {
  for (const end = Date.now() + 5_000; (await dropped(reason)) < count; ) if (Date.now() > end) throw new Error(`${reason}: ${await dropped(reason)}`);
}

beforeAll(async () => {
  stage = openStage();
  relay = stage.agent('a', await stage.program());
  await relay.change(setLine(relayBody('a')) + setLine(peerBody('10.5.2.0/24', hostAddress('b'))));
  stage.address('a');
  // Without somebody there, the container would answer what comes to these with ICMP.
  for (const port of [5_001, 5_002]) stage.udp('pod-a', { address: podAddress('a'), port });
  flanneld = stage.udp('b', { address: hostAddress('b'), port: PORT });
  flanneld.on('message', (packet, { port, address }) => arrived.push({ packet, port, address }));
});
afterAll(() => stage.dispose());

describe('on the wire', () => {
  it('is the bare packet of the container, from port to port, with DF outside', async () => {
    const wire = await capture(stage, 'b', 'eth0', `udp port ${PORT}`);
    const pod = stage.udp('pod-a');
    pod.send(Buffer.from('hello'), 5_000, podAddress('b'));
    await until(() => arrived.length > 0, 'the packet');
    const [{ packet, port, address } = { packet: Buffer.alloc(20), port: 0, address: '' }] = arrived.splice(0);
    expect([address, port]).toEqual([hostAddress('a'), PORT]);
    expect(packet.subarray(12, 20)).toEqual(Buffer.from([10, 5, 1, 9, 10, 5, 2, 9]));
    expect(packet.subarray(28).toString()).toBe('hello');
    // 64, less one for the kernel, less one for the relay.
    expect(packet[8]).toBe(62);
    expect(checksum(packet, 0, 20)).toBe(0);

    await until(() => wire.packets().length > 0, 'the capture');
    const [outer = Buffer.alloc(0)] = wire.packets();
    expect(outer.readUInt16BE(6)).toBe(0x4000);
    expect(outer[8]).toBe(64);
    expect(outer.length).toBe(packet.length + 28);
    expect(outer.subarray(28)).toEqual(packet);
    wire.end();
  });

  it('is taken from anybody, as it comes, less one hop', async () => {
    const seen = await capture(stage, 'pod-a', 'eth0', 'udp port 5001');
    send(udpPacket({ from: podAddress('b'), to: podAddress('a'), ttl: 9, id: 77, port: 5_001, payload: Buffer.from('welcome') }));
    const stranger = stage.udp('b');
    stranger.send(udpPacket({ from: '203.0.113.7', to: podAddress('a'), ttl: 255, port: 5_001 }), PORT, hostAddress('a'));
    await until(() => seen.packets().length === 2, 'both packets');
    // Less one for the relay, less one for the kernel.
    expect(seen.packets()[0]).toEqual(udpPacket({ from: podAddress('b'), to: podAddress('a'), ttl: 7, id: 77, port: 5_001, payload: Buffer.from('welcome') }));
    expect(seen.packets()[1]).toEqual(udpPacket({ from: '203.0.113.7', to: podAddress('a'), ttl: 253, port: 5_001 }));
    seen.end();
  });

  it('ends mute when its time is over, on both sides', async () => {
    const before = await dropped('ttl');
    const quiet = await capture(stage, 'b', 'eth0', 'icmp or udp');
    send(udpPacket({ from: podAddress('b'), to: podAddress('a'), ttl: 1, port: 5_001 }));
    await untilDropped('ttl', before + 1);
    const pod = stage.udp('pod-a');
    // The kernel of the host takes the first.
    pod.setTTL(2);
    pod.send('late', 5_000, podAddress('b'));
    await untilDropped('ttl', before + 2);
    pod.setTTL(3);
    pod.send('just', 5_000, podAddress('b'));
    await until(() => arrived.length > 0, 'the packet with one hop more');
    expect(arrived.splice(0).map(({ packet }) => [packet[8], packet.subarray(28).toString()])).toEqual([[1, 'just']]);
    // What the test sent itself, and the one that had time left: no message about the others, which would have gone before the last of these.
    await until(() => quiet.packets().length >= 2, 'both are captured');
    expect(quiet.packets().length).toBe(2);
    quiet.end();
  });

  it('is dropped and counted when it is no IPv4 packet, or longer than the MTU', async () => {
    const [malformed, tooLong] = [await dropped('malformed'), await dropped('tooLong')];
    const good = udpPacket({ from: podAddress('b'), to: podAddress('a'), port: 5_001, payload: Buffer.alloc(100) });
    const six = Buffer.from(good);
    six[0] = 0x60;
    for (const bad of [Buffer.alloc(0), Buffer.from('x'), six, good.subarray(0, 60)]) send(bad);
    await untilDropped('malformed', malformed + 4);
    const fits = udpPacket({ from: podAddress('b'), to: podAddress('a'), port: 5_002, payload: Buffer.alloc(1472 - 28) });
    const seen = await capture(stage, 'pod-a', 'eth0', 'udp port 5002');
    stage.run('b', 'ip link set eth0 mtu 3000');
    stage.run('a', 'ip link set eth0 mtu 3000');
    send(udpPacket({ from: podAddress('b'), to: podAddress('a'), port: 5_002, payload: Buffer.alloc(1473 - 28) }));
    send(fits);
    await until(() => seen.packets().length > 0, 'the packet that fits');
    expect(seen.packets().map(({ length }) => length)).toEqual([1472]);
    expect(await dropped('tooLong')).toBe(tooLong + 1);
    expect(await dropped('malformed')).toBe(malformed + 4);
    seen.end();
    for (const host of ['a', 'b']) stage.run(host, 'ip link set eth0 mtu 1500');
  });
});

describe('without a route', () => {
  it('a packet is answered with "net unreachable" as flanneld does', async () => {
    // The kernel takes no packet from an address of its own, and flanneld's message comes from one, unless it is told to.
    stage.run('a', 'sysctl -qw net.ipv4.conf.flannel0.accept_local=1');
    const seen = await capture(stage, 'pod-a', 'eth0', 'icmp or udp port 5003');
    const before = await dropped('noRoute');
    stage.udp('pod-a').send('nobody', 5_003, '10.5.99.1');
    await until(() => seen.packets().length === 2, 'the answer');
    const [offender = Buffer.alloc(0), answer = Buffer.alloc(0)] = seen.packets();
    // As the relay saw it: the host's kernel had taken a hop.
    const quoted = ipv4Packet({
      from: podAddress('a'),
      to: '10.5.99.1',
      ttl: 63,
      id: offender.readUInt16BE(4),
      fragment: 0x4000,
      payload: offender.subarray(20),
    });
    const icmp = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), quoted.subarray(0, 28)]);
    // The checksum of UDP is made on the way to the relay, after the capture.
    answer.copy(icmp, 34, 54, 56);
    icmp.writeUInt16BE(checksum(icmp, 0, icmp.length), 2);
    // TTL 8, less one hop of the kernel.
    expect(answer).toEqual(ipv4Packet({ from: tunnelAddress('a'), to: podAddress('a'), ttl: 7, protocol: 1, payload: icmp }));
    expect(await dropped('noRoute')).toBe(before + 1);
    seen.end();
  });

  it('ICMP is not answered', async () => {
    const before = await dropped('noRoute');
    expect(() => stage.run('pod-a', 'ping -c 1 -W 1 10.5.99.1')).toThrow();
    expect(await dropped('noRoute')).toBe(before + 1);
  });

  it('peers come, move and go while packets flow, and the longest prefix counts', async () => {
    const pod = stage.udp('pod-a');
    const reaches = async (address: string): Promise<boolean> => {
      arrived.length = 0;
      const before = await dropped('noRoute');
      pod.send(address, 5_004, address);
      for (const end = Date.now() + 3_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 1))) {
        if (arrived.length > 0) return true;
        if ((await dropped('noRoute')) > before) return false;
      }
      throw new Error(`neither way for ${address}`);
    };
    const peer = peerBody('10.5.3.0/24', hostAddress('b'));
    expect(await reaches('10.5.3.9')).toBe(false);
    await relay.change(setLine(peer));
    expect(await reaches('10.5.3.9')).toBe(true);
    // Nobody is at that address, so what goes there does not arrive.
    const wide = peerBody('10.5.128.0/17', '172.31.0.77');
    await relay.change(setLine(wide) + setLine(peerBody('10.5.200.0/24', hostAddress('b'))));
    expect(await reaches('10.5.200.9')).toBe(true);
    await relay.change(setLine(peerBody('10.5.200.0/24', '172.31.0.77')) + setLine(peerBody('10.5.200.0/24', hostAddress('b'))) + deleteLine(peer));
    expect(await reaches('10.5.200.9')).toBe(true);
    expect(await reaches('10.5.3.9')).toBe(false);
    await relay.change(deleteLine(wide) + deleteLine(peerBody('10.5.200.0/24', hostAddress('b'))) + deleteLine(peerBody('10.5.77.0/24', hostAddress('b'))));
    expect(await reaches('10.5.200.9')).toBe(false);
    expect((await relay.observed()).map(({ key }) => key)).toEqual(['udp-relay/host/flannel0', 'udp-relay-peer/host/flannel0/10.5.2.0/24']);
  });
});
