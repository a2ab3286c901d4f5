import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { linkFacts, openTun, receiveBuffer, socketIn } from '@portolan/kernel/sockets';
import { parseIpv4, portolanError } from '@portolan/model';
import { bodyHash, objectKey, type UdpRelayBody } from '@portolan/node-state';
import { SPACE } from './lines.js';
import type { Carried } from './messages.js';

/** Receive and send buffer of the socket, in bytes: a tenth of a second at 300 Mbit/s. */
const SOCKET_BUFFER = 4 * 1024 * 1024;
const OWN_NAMESPACE = '/proc/thread-self/ns/net';

/** A TUN device and a UDP socket that are open in this process. The device is there as long as its descriptor is. */
export interface Device {
  readonly body: UdpRelayBody;
  readonly tun: number;
  readonly socket: number;
  /** Of the interface: one of the same name that was made later has another. */
  readonly index: number;
  /** Datagrams that the socket had dropped when the program took it. */
  readonly droppedBefore: number;
}

/** A socket for what goes between hosts. Fails with `apply-failed`, such as when another program has the port. */
export function openSocket({ local, port }: UdpRelayBody): number {
  try {
    return socketIn(OWN_NAMESPACE, { kind: 'udp', bind: { address: local, port }, buffer: SOCKET_BUFFER });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw portolanError('apply-failed', '', `the relay has no UDP socket: ${why}`, {
      cause,
      fix: `Look which program has UDP port ${port} (ss -lunp), such as flanneld, and that the host has the address ${local}.`,
    });
  }
}

/** Makes the device, for a socket that is open; it is up and carries its MTU and alias. Fails with a PortolanError, and leaves no device then. */
export function openDevice(body: UdpRelayBody, socket: number): Device {
  const tun = openTun(body.name);
  try {
    dress(body);
    return deviceOf(body, tun, socket);
  } catch (error) {
    closeSync(tun);
    throw error;
  }
}

/** The device behind descriptors that are open already. Fails with `apply-failed` when it is gone. */
export function deviceOf(body: UdpRelayBody, tun: number, socket: number): Device {
  const facts = linkFacts(body.name);
  if (facts === undefined) throw portolanError('apply-failed', '', `the device ${body.name} is gone`);
  return { body, tun, socket, index: facts.index, droppedBefore: receiveBuffer(socket).dropped };
}

/** Gives the device MTU and alias, and sets it up. Fails with `apply-failed`. */
export function dress(body: UdpRelayBody): void {
  const alias = `portolan ${objectKey(SPACE, body)} ${bodyHash(body)}`;
  const argv = ['link', 'set', 'dev', body.name, 'mtu', String(body.mtu), 'alias', alias, 'up'];
  const PATH = `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ''}`;
  const { status, stderr, error } = spawnSync('ip', argv, { encoding: 'utf8', env: { ...process.env, PATH, LC_ALL: 'C' } });
  if (error !== undefined) throw portolanError('tool-missing', '', 'the program ip is not installed', { cause: error });
  if (status !== 0) throw portolanError('apply-failed', '', `ip ${argv.join(' ')}: ${stderr.trim()}`);
}

/** The device as the kernel has it now; undefined when it is gone. */
export function factsOf({ body, index }: Device): { readonly mtu: number; readonly isUp: boolean } | undefined {
  const facts = linkFacts(body.name);
  return facts?.index === index ? facts : undefined;
}

export function carriedBy({ body, tun, socket }: Device): Carried {
  return { tun, socket, mtu: body.mtu, port: body.port, address: parseIpv4(body.address) };
}

/** What waits in the socket, and what it had to drop since the program took it. */
export function bufferOf({ socket, droppedBefore }: Device): { readonly queued: number; readonly dropped: number } {
  const { queued, dropped } = receiveBuffer(socket);
  return { queued, dropped: dropped - droppedBefore };
}
