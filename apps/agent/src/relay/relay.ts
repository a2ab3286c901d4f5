import { closeSync } from 'node:fs';
import { parseCidr, parseIpv4 } from '@portolan/model';
import { canonicalJson, objectKey, type UdpRelayBody, type UdpRelayPeerBody } from '@portolan/node-state';
import { type RelayCounters, readCounters } from './counters.js';
import { bufferOf, carriedBy, type Device, deviceOf, dress, factsOf, openDevice, openSocket } from './device.js';
import type { Forwarder } from './forwarder.js';
import { changesIn, SPACE } from './lines.js';
import type { RelayState } from './messages.js';

/** A relay: one device at most, and peers, which stay when the device is made anew. What is asked of it happens one after the other. */
export interface Relay {
  /** Carries out lines in order. Fails with a PortolanError; the lines before are carried out then. */
  change(text: string): Promise<void>;
  state(): RelayState;
  counters(): RelayCounters | undefined;
  /** The device, or undefined when there is none. */
  readonly device: Device | undefined;
  readonly peers: readonly UdpRelayPeerBody[];
  /** Goes on with what another program had. Fails with a PortolanError when the device is gone. */
  resume(body: UdpRelayBody, tun: number, socket: number): Promise<void>;
  addPeers(peers: readonly UdpRelayPeerBody[]): Promise<void>;
  /** To be told by the thread. */
  lost(what: 'tun' | 'socket'): Promise<void>;
  /** Gives the device up. */
  close(): Promise<void>;
}

export function createRelay(forwarder: Forwarder): Relay {
  const peers = new Map<string, UdpRelayPeerBody>();
  let device: Device | undefined;
  let hasSocketFailed = false;
  let tail: Promise<unknown> = Promise.resolve();

  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const result = tail.then(() => work());
    tail = result.catch(() => undefined);
    return result;
  };
  const carry = async (next: Device): Promise<void> => {
    device = next;
    hasSocketFailed = false;
    await forwarder.carry(carriedBy(next));
  };
  const drop = async (except?: number): Promise<void> => {
    const last = device;
    if (last === undefined) return;
    device = undefined;
    await forwarder.release();
    closeSync(last.tun);
    if (last.socket !== except) closeSync(last.socket);
  };

  /** The same device with another MTU, or as it is and up again. */
  const adjust = async (last: Device, body: UdpRelayBody): Promise<void> => {
    dress(body);
    if (!hasSocketFailed) return carry({ ...last, body });
    // The port is free again only when the old socket is closed.
    await forwarder.release();
    device = undefined;
    closeSync(last.socket);
    try {
      await carry(deviceOf(body, last.tun, openSocket(body)));
    } catch (error) {
      closeSync(last.tun);
      throw error;
    }
  };

  const setDevice = async (body: UdpRelayBody): Promise<void> => {
    parseIpv4(body.address);
    parseIpv4(body.local);
    const last = device;
    if (last !== undefined && factsOf(last) !== undefined && canonicalJson({ ...last.body, mtu: body.mtu }) === canonicalJson(body)) {
      return adjust(last, body);
    }
    if (hasSocketFailed) await drop();
    // What can fail comes first: as long as there is no new socket, the old device goes on.
    const isSame = device !== undefined && last !== undefined && last.body.local === body.local && last.body.port === body.port;
    const socket = isSame ? last.socket : openSocket(body);
    await drop(socket);
    try {
      await carry(openDevice(body, socket));
    } catch (error) {
      closeSync(socket);
      throw error;
    }
  };

  const applyRoutes = (set: readonly UdpRelayPeerBody[], deleted: readonly UdpRelayPeerBody[]): Promise<void> =>
    forwarder.routes(Int32Array.from(set.flatMap((peer) => [...subnetOf(peer), parseIpv4(peer.host)])), Int32Array.from(deleted.flatMap(subnetOf)));

  const change = async (text: string): Promise<void> => {
    const changes = changesIn(text);
    /** Peers of this text, of which the thread is told at once, when all lines are read. */
    const set = new Map<string, UdpRelayPeerBody>();
    const deleted = new Map<string, UdpRelayPeerBody>();
    try {
      for (const { key, body } of changes) {
        if (body?.kind === 'udp-relay') await setDevice(body);
        else if (body?.kind === 'udp-relay-peer') {
          subnetOf(body);
          parseIpv4(body.host);
          peers.set(key, body);
          set.set(key, body);
          deleted.delete(key);
        } else if (device !== undefined && key === objectKey(SPACE, device.body)) await drop();
        else {
          const peer = peers.get(key);
          if (peer === undefined) continue;
          peers.delete(key);
          set.delete(key);
          deleted.set(key, peer);
        }
      }
    } finally {
      if (set.size + deleted.size > 0) await applyRoutes([...set.values()], [...deleted.values()]);
    }
  };

  return {
    get device() {
      return device;
    },
    get peers() {
      return [...peers.values()];
    },
    change: (text) => inTurn(() => change(text)),
    state: () => {
      const facts = device && factsOf(device);
      const known = [...peers.values()];
      if (device === undefined || facts === undefined) return { peers: known };
      return { device: { body: { ...device.body, mtu: facts.mtu }, isWell: facts.isUp && !hasSocketFailed }, peers: known };
    },
    counters: () => device && readCounters(forwarder.counters, bufferOf(device)),
    resume: (body, tun, socket) => inTurn(async () => carry(deviceOf(body, tun, socket))),
    addPeers: (more) =>
      inTurn(async () => {
        for (const peer of more) peers.set(objectKey(SPACE, peer), peer);
        await applyRoutes(more, []);
      }),
    lost: (what) =>
      inTurn(async () => {
        if (what === 'socket') hasSocketFailed = true;
        // A device that was made meanwhile is another.
        else if (device !== undefined && factsOf(device) === undefined) await drop();
      }),
    close: () => inTurn(drop),
  };
}

/** Network and prefix length. Fails with a PortolanError. */
function subnetOf({ subnet }: UdpRelayPeerBody): [number, number] {
  const { first, prefixLength } = parseCidr(subnet);
  return [first, prefixLength];
}
