import { closeSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectBody, ObservedObject } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inNamespace, type Kernel, openLinuxKernel, type UdpRelay } from '../src/index.js';
import { memoryOfRelay } from '../src/relay.js';
import { openTun } from '../src/tun.js';
import { bring, type FlannelNode, flannelState } from './flannel-states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

/**
 * What real flanneld left on a node, by backend, beside what we make of the same leases, read by the same commands. What differs:
 *
 * - links: our alias; their index
 * - routes: our protocol number, 80, where flanneld leaves `boot`
 * - rules: our chains and comments; jumps come first in their chain
 */
function captured(name: string): string {
  return readFileSync(new URL(`../../render/test/fixtures/flannel/${name}`, import.meta.url), 'utf8');
}

let host: ThrowawayHost;
let kernel: Kernel;
let relay: TestRelay;

interface TestRelay extends UdpRelay {
  close(): void;
}

/** Holds the TUN devices that it is told of, as a relay does, and carries nothing. */
function testRelay(path: string): TestRelay {
  const memory = memoryOfRelay();
  const devices = new Map<string, number>();
  const sync = async (): Promise<void> => {
    const names = (await memory.observed()).flatMap(({ body }) => (body?.kind === 'udp-relay' ? [body.name] : []));
    for (const [name, fd] of devices) if (!names.includes(name)) closeSync(fd);
    for (const name of [...devices.keys()]) if (!names.includes(name)) devices.delete(name);
    for (const name of names) {
      if (!devices.has(name))
        devices.set(
          name,
          inNamespace(path, () => openTun(name)),
        );
    }
  };
  return {
    change: async (text) => {
      await memory.change(text);
      await sync();
    },
    observed: (): Promise<readonly ObservedObject[]> => memory.observed(),
    close: () => {
      for (const fd of devices.values()) closeSync(fd);
    },
  };
}

beforeEach(() => {
  host = makeThrowawayHost();
  relay = testRelay(host.host);
  kernel = openLinuxKernel({ ...host, relay });
  const far = host.container('switch');
  host.run(`ip link add eth0 address 52:54:00:00:00:11 type veth peer name n1 netns ${far}; ip link set eth0 up`);
  host.run('ip addr add 192.168.77.11/24 dev eth0; ip -6 addr add fd00:77::11/64 dev eth0 nodad');
  host.run('ip link add br0 type bridge; ip link set n1 up master br0; ip addr add 192.168.77.1/24 dev br0; ip link set br0 up', far);
  host.run('ip route add default via 192.168.77.1');
});
afterEach(() => {
  relay.close();
  host.dispose();
});

const network = '10.5.0.0/16';
const subnetFile = (backend: string): ObjectBody => ({ kind: 'file', path: '/run/flannel/subnet.env', content: captured(`${backend}/subnet.env`) });
const relayRoute: ObjectBody = { kind: 'route', destination: network, link: 'flannel0', scope: 'global' };

const nodes: Readonly<Record<string, FlannelNode>> = {
  vxlan: {
    network,
    address: '192.168.77.11',
    base: '10.5.79.0',
    mac: '3a:c6:11:c1:b0:f0',
    peers: [{ address: '192.168.77.12', base: '10.5.63.0', mac: 'ae:6d:aa:23:37:d0' }],
    more: [subnetFile('vxlan')],
  },
  'host-gw': { network, address: '192.168.77.11', base: '10.5.9.0', peers: [{ address: '192.168.77.12', base: '10.5.85.0' }], more: [subnetFile('host-gw')] },
  udp: {
    network,
    address: '192.168.77.11',
    base: '10.5.62.0',
    peers: [],
    more: [
      subnetFile('udp'),
      { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: '192.168.77.11', port: 8285, address: '10.5.62.0' },
      { kind: 'address', link: 'flannel0', address: '10.5.62.0', prefixLength: 32 },
      { kind: 'udp-relay-peer', relay: 'flannel0', subnet: '10.5.68.0/24', host: '192.168.77.12' },
      { kind: 'udp-relay-peer', relay: 'flannel0', subnet: '10.5.53.0/24', host: '192.168.88.13' },
      relayRoute,
    ],
  },
};

const DEVICE = /^flannel/;

function linksOf(json: string): object[] {
  const entries: { ifname: string; ifindex?: number; ifalias?: string }[] = JSON.parse(json);
  return entries.filter(({ ifname }) => DEVICE.test(ifname)).map(({ ifindex: _, ifalias: __, ...entry }) => entry);
}

/** Lines about IPv4; addresses of IPv6 are made of MACs, which are random in the capture, or random themselves. */
function routesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#') && !line.includes(':') && !line.startsWith('multicast ff')).sort();
}

function linesOf(text: string, device: RegExp): string[] {
  return text.split('\n').flatMap((line) => (device.test(line) ? [line.trim()] : []));
}

/** `ip -d addr`, of the devices: what follows `inet`, with its lifetime. */
function addressesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, i) => (/^inet .* flannel/.test(line) ? [`${line}; ${lines[i + 1]}`] : []));
}

const chains: Readonly<Record<string, string>> = { 'PORTOLAN-FORWARD': 'FLANNEL-FWD', 'PORTOLAN-POSTROUTING': 'FLANNEL-POSTRTG' };

function rulesOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/ -m comment --comment "[^"]*"/, '').replace(/PORTOLAN-[A-Z]+/, (chain) => chains[chain] ?? chain))
    .map((line) => line.replace(/\[\d+:\d+\]/, '[0:0]'));
}

describe.each(Object.keys(nodes))('the kernel of backend %s', (backend) => {
  it('equals that of flanneld with the same leases', async () => {
    const node = nodes[backend];
    if (node === undefined) throw new Error(backend);
    await bring(kernel, flannelState(node));

    expect(linksOf(host.run('ip -d -j link'))).toEqual(linksOf(captured(`${backend}/ip-d-link.json`)));
    expect(addressesOf(host.run('ip -d addr'))).toEqual(addressesOf(captured(`${backend}/ip-addr.txt`)));
    const [main = '', all = ''] = captured(`${backend}/ip-route.txt`).split('## table all (v4)\n');
    const ours = (command: string) => routesOf(host.run(command)).map((line) => line.replace('proto 80', 'proto boot').trim());
    expect(ours('ip -d route show')).toEqual(routesOf(main));
    expect(ours('ip -d route show table all')).toEqual(routesOf(all));
    expect(linesOf(host.run('bridge fdb show'), / flannel/)).toEqual(linesOf(captured(`${backend}/bridge-fdb.txt`), / flannel/));
    expect(linesOf(host.run('ip neigh'), /PERMANENT/)).toEqual(linesOf(captured(`${backend}/ip-neigh.txt`), /PERMANENT/));
    const order = (text: string) =>
      rulesOf(text)
        .join('\n')
        .split('COMMIT')
        .map((table) => table.trim())
        .sort();
    expect(order(host.run('iptables-save'))).toEqual(order(captured(`${backend}/iptables-save.txt`)));
    const subnetEnv = join(host.fileRoot, 'run/flannel/subnet.env');
    expect(readFileSync(subnetEnv, 'utf8')).toBe(captured(`${backend}/subnet.env`));
    expect(statSync(subnetEnv).mode & 0o777).toBe(0o644);
  });
});

describe('the relay', () => {
  const node = nodes.udp ?? { network, address: '', base: '', peers: [] };

  it('is set right where its device was taken down or changed, with the routes over it', async () => {
    const state = flannelState(node);
    await bring(kernel, state);
    host.run('ip link set flannel0 down mtu 1400');
    const { before } = await bring(kernel, state);
    const found = new Map(before.objects.map(({ key, hash }) => [key, hash]));
    expect(found.get('udp-relay/host/flannel0')).toBe('');
    expect(found.has('route/host/10.5.0.0/16')).toBe(false);
    expect(host.run('ip link show flannel0')).toMatch(/UP.* mtu 1472 /);
  });

  it('comes back with all that rests on it when its device is gone, and goes with a purge', async () => {
    const state = flannelState(node);
    await bring(kernel, state);
    host.run('ip link delete flannel0');
    await relay.change('delete udp-relay/host/flannel0\n');
    await bring(kernel, state);
    await kernel.purge({});
    expect(host.run('ip link show')).not.toContain('flannel');
    expect(await relay.observed()).toEqual([]);
  });
});
