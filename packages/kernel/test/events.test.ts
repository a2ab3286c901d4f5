import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernelObject } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concernsUs, eventInWords, interestOf, type KernelEvent, type KernelEvents, kernelEvents } from '../src/index.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

const MAC = '02:42:0a:f4:02:00';
const origin = { computedBy: 'flannel' } as const;
const interest = interestOf(
  [
    kernelObject(
      'host',
      {
        kind: 'flannel-vtep',
        name: 'flannel.1',
        vni: 1,
        port: 8472,
        mtu: 1450,
        mac: '02:42:0a:f4:01:00',
        local: '172.16.130.140',
        underlay: 'eth0',
        learning: false,
        gbp: false,
      },
      origin,
    ),
    kernelObject('host', { kind: 'bridge', name: 'cni0', mtu: 1500, mac: '02:42:0a:f4:01:01' }, origin),
    kernelObject('host', { kind: 'route', destination: '10.244.2.0/24', via: '10.244.2.0', link: 'flannel.1', onlink: true }, origin),
    kernelObject('host', { kind: 'neighbour', link: 'flannel.1', address: '10.244.2.0', mac: MAC }, origin),
    kernelObject('host', { kind: 'fdb', link: 'flannel.1', mac: MAC, vtep: '172.16.130.164' }, origin),
  ],
  undefined,
);

let host: ThrowawayHost;
let events: KernelEvents;
let all: KernelEvent[];
let ours: string[];
let lost: number;
let ended: Error[];

beforeEach(async () => {
  host = makeThrowawayHost();
  host.run(`ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add 172.16.130.140/24 dev eth0
    ip link add cni0 address 02:42:0a:f4:01:01 type bridge; ip link set cni0 up; ip addr add 10.244.1.1/24 dev cni0
    ip link add flannel.1 address 02:42:0a:f4:01:00 mtu 1450 type vxlan id 1 dev eth0 local 172.16.130.140 dstport 8472 nolearning
    ip link set flannel.1 up; ip addr add 10.244.1.0/32 dev flannel.1
    ip neigh add 10.244.2.0 lladdr ${MAC} dev flannel.1 nud permanent
    bridge fdb append ${MAC} dev flannel.1 dst 172.16.130.164
    ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink proto 80`);
  all = [];
  ours = [];
  ended = [];
  lost = 0;
  events = kernelEvents({
    host: host.host,
    onEvent: (event) => {
      all.push(event);
      if (concernsUs(event, interest)) ours.push(eventInWords(event));
    },
    onLost: () => {
      lost += 1;
    },
    onEnd: (error) => ended.push(error),
  });
  // What the kernel tells late of the links that were just made: carriers.
  for (let seen = -1; seen !== all.length; ) {
    seen = all.length;
    await sleep(250);
  }
});
afterEach(() => {
  events.close();
  host.dispose();
  expect(ended).toEqual([]);
});

/** What concerns us within 300 ms of what was done. */
async function noticed(command: string): Promise<readonly string[]> {
  ours.length = 0;
  host.run(command);
  await sleep(300);
  return [...ours];
}

describe('kernelEvents and concernsUs', () => {
  it('notice what is done to ours in less than 300 ms', async () => {
    expect(await noticed('ip route flush proto 80')).toEqual(['route 10.244.2.0/24, protocol 80: gone']);
    expect(await noticed('ip route replace 10.244.2.0/24 via 172.16.130.1')).toEqual(['route 10.244.2.0/24, protocol 3: new or changed']);
    expect(await noticed('ip route del 10.244.2.0/24')).toEqual(['route 10.244.2.0/24, protocol 3: gone']);
    expect(await noticed('ip neigh del 10.244.2.0 dev flannel.1')).toContain('neighbour 10.244.2.0 on flannel.1: gone');
    expect(await noticed('ip neigh add 10.244.9.0 lladdr 02:00:00:00:00:09 dev flannel.1 nud permanent')).toContain(
      'neighbour 10.244.9.0 on flannel.1: new or changed',
    );
    expect(await noticed(`bridge fdb del ${MAC} dev flannel.1`)).toContain(`forwarding entry ${MAC} on flannel.1: gone`);
    expect(await noticed(`bridge fdb append ${MAC} dev flannel.1 dst 172.16.130.9`)).toContain(`forwarding entry ${MAC} on flannel.1: new or changed`);
    expect(await noticed('ip addr del 10.244.1.1/24 dev cni0')).toContain('address 10.244.1.1/24 on cni0: gone');
    expect(await noticed('ip addr add 10.244.7.1/24 dev cni0')).toContain('address 10.244.7.1/24 on cni0: new or changed');
    expect(await noticed('ip link set flannel.1 mtu 1400')).toContain('link flannel.1: changed');
    expect(await noticed('ip link set flannel.1 address 02:00:00:00:00:05')).toContain('link flannel.1: changed');
    expect(await noticed('ip link set cni0 address 02:42:0a:f4:01:09; ip link set cni0 address 02:42:0a:f4:01:01')).toContain('link cni0: changed');
    expect(await noticed('ip link set cni0 down')).toContain('link cni0: changed');
    expect(await noticed('ip link set flannel.1 alias other')).toContain('link flannel.1: changed');
    expect(await noticed('ip link add ptl_x type veth peer name y')).toContain('link ptl_x: new or changed');
    expect(await noticed('ip link set eth0 down')).toContain('link eth0: changed');
    expect(await noticed('ip link set eth0 up')).toContain('link eth0: changed');
    expect(await noticed('ip link set far down')).toContain('link eth0: changed');
    expect(await noticed('ip link del flannel.1')).toContain('link flannel.1: gone');
    expect(await noticed('ip rule add from 10.244.1.9 lookup 7 priority 800 protocol 80')).toEqual(['rule of routing, protocol 80: new or changed']);
    expect(lost).toBe(0);
  }, 60_000);

  it('know a link of ours by its alias and when it was renamed', async () => {
    expect(await noticed('ip link add plain type bridge; ip link set plain up')).toEqual([]);
    expect(await noticed('ip link set plain alias "portolan bridge/host/plain 0123456789abcdef"')).toEqual(['link plain: changed']);
    expect(await noticed('ip link set cni0 down; ip link set cni0 name other')).toContain('link other: changed');
  });

  it('are silent about 1,000 changes of others, and about ARP', async () => {
    all.length = 0;
    const lines = Array.from({ length: 100 }, (_, i) => [
      `link add v${i} type veth peer name w${i}`,
      `link set v${i} up`,
      `link set w${i} up`,
      `address add 10.99.${i}.1/24 dev v${i}`,
      `neighbour replace 10.99.${i}.7 lladdr 02:00:00:00:00:07 dev v${i} nud permanent`,
      `neighbour replace 10.99.${i}.8 lladdr 02:00:00:00:00:08 dev v${i} nud reachable`,
      `route add 10.98.${i}.0/24 via 10.99.${i}.2`,
      `route replace 10.98.${i}.0/24 via 10.99.${i}.3`,
      `rule add from 10.98.${i}.0/24 lookup 9`,
      `link set v${i} mtu 1400`,
      `link del v${i}`,
    ]).flat();
    execFileSync('nsenter', [`--net=${host.host}`, '--', 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    // Answered, unanswered and forgotten ARP on our bridge, and on the underlay; a port of somebody else comes and goes.
    host.run(`ip neigh replace 10.244.1.7 lladdr 02:00:00:00:00:07 dev cni0 nud reachable; ip neigh replace 10.244.1.8 dev cni0 nud none use || true
      ip neigh del 10.244.1.7 dev cni0; ip neigh replace 172.16.130.1 lladdr 02:00:00:00:00:01 dev eth0 nud reachable
      ip link add vethcni type veth peer name vethpod; ip link set vethcni master cni0; ip link set vethcni up; ip link set vethpod up`);
    await sleep(400);
    expect(all.length).toBeGreaterThan(1_000);
    expect(ours).toEqual([]);
    expect(lost).toBe(0);
    // It still looks.
    expect(await noticed('ip route flush proto 80')).toEqual(['route 10.244.2.0/24, protocol 80: gone']);
  }, 60_000);

  it('say when more came than was kept', async () => {
    // Nothing is read while this thread is busy.
    const lines = Array.from({ length: 40_000 }, (_, i) => `route replace 10.98.${i % 249}.0/24 dev ${i % 2 === 0 ? 'eth0' : 'cni0'}`);
    execFileSync('nsenter', [`--net=${host.host}`, '--', 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    await expect.poll(() => lost, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await noticed('ip link set flannel.1 mtu 1400')).toEqual(['link flannel.1: changed']);
  }, 60_000);

  it('fail for a namespace that is gone, and end without a trace', () => {
    expect(() => kernelEvents({ host: '/nowhere/at/all', onEvent: () => undefined, onLost: () => undefined, onEnd: () => undefined })).toThrow(
      'the namespace is gone',
    );
    events.close();
    host.run('ip link del flannel.1');
    expect(ours).toEqual([]);
  });
});
