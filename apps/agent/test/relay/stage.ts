import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { socketIn } from '@portolan/kernel/sockets';
import { type Ipv4, PortolanError } from '@portolan/model';
import { objectKey, type UdpRelayBody, type UdpRelayPeerBody } from '@portolan/node-state';
import type { Log } from '../../src/log.js';
import { ask, greet } from '../../src/relay/client.js';
import { type AgentUdpRelay, udpRelay } from '../../src/relay/udp-relay.js';
import { builtProgram } from './built-program.js';

export const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
export const PORT = 8285;

/**
 * Two hosts on one wire as namespaces, `a` with 172.31.0.1 and subnet 10.5.1.0/24, `b` with 172.31.0.2 and 10.5.2.0/24, and a pod in each subnet
 * behind a bridge. `a` and `b` are what stands for the host in the tests; the machine's own namespace is never touched.
 */
export interface Stage {
  readonly folder: string;
  /** Path of a namespace: a, b, pod-a, pod-b. */
  path(name: string): string;
  run(name: string, command: string): string;
  runDirectory(host: Host): string;
  /** File of the program; another version makes another file that does the same. */
  program(version?: string): Promise<string>;
  /** What an agent of that host has. */
  agent(host: Host, program: string): AgentUdpRelay;
  /** Gives the device address and route, as a plan does. */
  address(host: Host): void;
  /** A UDP socket of the namespace. */
  udp(name: string, bind?: { address: Ipv4; port: number }): UdpSocket;
  /** A process in the namespace, which is ended with the stage. */
  spawn(name: string, argv: readonly string[]): ChildProcess;
  /** Ends the relay of a host, if one runs. */
  stop(host: Host): Promise<void>;
  dispose(): Promise<void>;
}

export type Host = 'a' | 'b';
const numbers: Readonly<Record<Host, number>> = { a: 1, b: 2 };
export const hostAddress = (host: Host): Ipv4 => `172.31.0.${numbers[host]}`;
export const podAddress = (host: Host): Ipv4 => `10.5.${numbers[host]}.9`;
export const tunnelAddress = (host: Host): Ipv4 => `10.5.${numbers[host]}.0`;

export function relayBody(host: Host, more: Partial<UdpRelayBody> = {}): UdpRelayBody {
  return { kind: 'udp-relay', name: 'flannel0', mtu: 1472, local: hostAddress(host), port: PORT, address: tunnelAddress(host), ...more };
}

export function peerBody(subnet: string, host: Ipv4): UdpRelayPeerBody {
  return { kind: 'udp-relay-peer', relay: 'flannel0', subnet, host };
}

export function setLine(body: UdpRelayBody | UdpRelayPeerBody): string {
  return `set ${objectKey('host', body)} ${JSON.stringify(body)}\n`;
}

export function deleteLine(body: UdpRelayBody | UdpRelayPeerBody): string {
  return `delete ${objectKey('host', body)}\n`;
}

export function openStage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  const mounted: string[] = [];
  const children: ChildProcess[] = [];
  const sockets: UdpSocket[] = [];
  const programs = new Map<string, Promise<string>>();
  const path = (name: string): string => join(folder, name);
  const runDirectory = (host: Host): string => join(folder, `run-${host}`);
  const run = (name: string, command: string): string =>
    execFileSync('nsenter', [`--net=${path(name)}`, 'sh', '-ec', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  for (const name of ['a', 'b', 'pod-a', 'pod-b']) {
    writeFileSync(path(name), '');
    execFileSync('unshare', [`--net=${path(name)}`, 'ip', 'link', 'set', 'lo', 'up']);
    mounted.push(name);
  }
  run('a', `ip link add eth0 type veth peer name eth0 netns ${path('b')}`);
  for (const host of ['a', 'b'] as const) {
    run(host, `ip addr add ${hostAddress(host)}/24 dev eth0; ip link set eth0 up; sysctl -qw net.ipv4.ip_forward=1`);
    const number = numbers[host];
    run(host, `ip link add pods type veth peer name eth0 netns ${path(`pod-${host}`)}; ip addr add 10.5.${number}.1/24 dev pods; ip link set pods up`);
    run(`pod-${host}`, `ip addr add ${podAddress(host)}/24 dev eth0; ip link set eth0 up; ip route add default via 10.5.${number}.1`);
  }
  const stop = async (host: Host): Promise<void> => {
    const hello = await greet(runDirectory(host), 2_000);
    if (hello === undefined) return;
    await ask(runDirectory(host), { kind: 'stop' });
    while (existsSync(`/proc/${hello.pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return {
    folder,
    path,
    run,
    runDirectory,
    program: (version = 'a') => {
      const made = programs.get(version) ?? builtProgram(folder, version);
      programs.set(version, made);
      return made;
    },
    agent: (host, program) => udpRelay({ runDirectory: runDirectory(host), program, namespace: path(host), log: silent }),
    address: (host) => void run(host, `ip addr add ${tunnelAddress(host)}/32 dev flannel0; ip route add 10.5.0.0/16 dev flannel0 proto 80`),
    udp: (name, bind) => {
      const socket = createSocket('udp4');
      socket.bind({ fd: socketIn(path(name), { kind: 'udp', ...(bind === undefined ? {} : { bind }) }) });
      sockets.push(socket);
      return socket;
    },
    spawn: (name, argv) => {
      const child = spawn('nsenter', [`--net=${path(name)}`, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
      children.push(child);
      return child;
    },
    stop,
    dispose: async () => {
      for (const child of children) child.kill('SIGKILL');
      for (const socket of sockets) socket.close();
      for (const host of ['a', 'b'] as const) await stop(host);
      for (const name of mounted) execFileSync('umount', [path(name)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a promise failed with. */
export async function failureOf(work: Promise<unknown>): Promise<PortolanError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PortolanError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
