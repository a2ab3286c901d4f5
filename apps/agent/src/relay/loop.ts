import { lastErrno, pollSet, type ReceivingLane, readNow, receivingLane, type SendingLane, sendingLane, writeNow } from '@portolan/kernel/sockets';
import { counter } from './counters.js';
import type { Carried, Command, FromThread, ThreadSettings } from './messages.js';
import { decrementTtl, destinationOf, isIpv4, writeUnreachable } from './packet.js';
import { routeTable } from './routes.js';
import { tokenBucket } from './token-bucket.js';

/** Packets of one side before it is the turn of the other, and of commands. */
const BATCH = 64;
/** Longest wait, in milliseconds: a thread in a system call cannot be ended. */
const WAIT = 200;
/** Some kernels let no wait last while a device is down, so it is looked at this often only then, in milliseconds. */
const DOWN_WAIT = 20;
/** Rounds in a row in which a socket has failed, after which it will not recover. */
const FAILURES = 8;
/** ICMP messages a second, and at once: the kernel's own limits (icmp_msgs_per_sec, icmp_msgs_burst). */
const UNREACHABLE_RATE = 1_000;
const UNREACHABLE_BURST = 50;
/** Slots lie a few cache lines apart from a power of two, or their headers would push each other out of the cache. */
const LINE = 64;
/** Places in the poll set. */
const WAKE = 0;
const TUN = 1;
const SOCKET = 2;

interface Lanes extends Carried {
  /** Bytes of a slot: more than the MTU, so that a longer packet is seen to be one. */
  readonly size: number;
  readonly outgoing: SendingLane;
  readonly incoming: ReceivingLane;
}

function lanesFor(carried: Carried): Lanes {
  const size = (Math.ceil((carried.mtu + 1) / LINE) | 1) * LINE;
  return { ...carried, size, outgoing: sendingLane(BATCH, size, carried.port), incoming: receivingLane(BATCH, size) };
}

/** The side of the thread that takes commands and tells what happened. */
export interface CommandPort {
  /** The next command that waits. */
  next(): Command | undefined;
  tell(message: FromThread): void;
}

/** Carries packets between the device and the socket until it is told to stop. It keeps its thread, and waits in poll(2) only. */
export function forwardUntilStopped({ counters, wake }: ThreadSettings, commands: CommandPort): void {
  const counts = new Float64Array(counters);
  const routes = routeTable();
  const polls = pollSet(3);
  polls.watch(WAKE, wake);
  const woken = Buffer.alloc(BATCH);
  const message = Buffer.alloc(128);
  const unreachable = tokenBucket(UNREACHABLE_RATE, UNREACHABLE_BURST);
  let lanes: Lanes | undefined;
  let isDown = false;
  let failures = 0;

  const count = (place: number, more = 1): void => {
    counts[place] = (counts[place] ?? 0) + more;
  };
  const lose = (what: 'tun' | 'socket', why: string): void => {
    polls.watch(what === 'tun' ? TUN : SOCKET, -1);
    commands.tell({ kind: 'lost', what, why });
  };

  /** Whether to go on. */
  const obey = (command: Command): boolean => {
    if (command.kind === 'carry') lanes = lanesFor(command);
    else if (command.kind === 'routes') {
      const { set, deleted } = command;
      for (let i = 0; i < deleted.length; i += 2) routes.delete(deleted[i] ?? 0, deleted[i + 1] ?? 0);
      for (let i = 0; i < set.length; i += 3) routes.set(set[i] ?? 0, set[i + 1] ?? 0, set[i + 2] ?? 0);
    } else lanes = undefined;
    polls.watch(TUN, lanes?.tun ?? -1);
    polls.watch(SOCKET, lanes?.socket ?? -1);
    isDown = false;
    failures = 0;
    commands.tell({ kind: 'done', id: command.id });
    return command.kind !== 'stop';
  };

  const takeCommands = (): boolean => {
    readNow(wake, woken, woken.length);
    for (let command = commands.next(); command !== undefined; command = commands.next()) if (!obey(command)) return false;
    return true;
  };

  const fromContainers = ({ tun, socket, mtu, size, address, outgoing }: Lanes): void => {
    const { memory, slots } = outgoing;
    let put = 0;
    let bytes = 0;
    for (let seen = 0; seen < BATCH; seen++) {
      const slot = slots[put];
      if (slot === undefined) break;
      const length = readNow(tun, slot, size);
      if (length < 0) break;
      const at = put * size;
      if (!isIpv4(memory, at, length)) count(counter.malformed);
      else if (length > mtu) count(counter.tooLong);
      else {
        const host = routes.find(destinationOf(memory, at));
        if (host === undefined) {
          count(counter.noRoute);
          const answer = writeUnreachable(memory, at, length, address, message);
          if (answer > 0 && unreachable(performance.now())) writeNow(tun, message, answer);
        } else if (!decrementTtl(memory, at)) count(counter.ttl);
        else {
          outgoing.aim(put, length, host);
          bytes += length;
          put += 1;
        }
      }
    }
    if (put === 0) return;
    const refused = outgoing.send(socket, put);
    count(counter.sent, put - refused);
    count(counter.sentBytes, bytes - outgoing.refusedBytes);
    if (refused > 0) count(counter.refused, refused);
  };

  const fromPeers = ({ tun, socket, mtu, size, incoming }: Lanes): void => {
    const { memory, slots } = incoming;
    const received = incoming.receive(socket);
    for (let i = 0; i < received; i++) {
      const slot = slots[i];
      const at = i * size;
      const length = incoming.length(i);
      if (slot === undefined) break;
      if (length > mtu) count(counter.tooLong);
      else if (!isIpv4(memory, at, length)) count(counter.malformed);
      else if (!decrementTtl(memory, at)) count(counter.ttl);
      else if (writeNow(tun, slot, length) < 0) count(counter.refused);
      else {
        count(counter.received);
        count(counter.receivedBytes, length);
      }
    }
  };

  /** A device that failed is gone for good, or down. */
  const lookAtDevice = ({ tun, outgoing, size }: Lanes): void => {
    const [slot] = outgoing.slots;
    if (slot === undefined || readNow(tun, slot, size) >= 0) return;
    const why = lastErrno();
    if (why === 'EBADFD' || why === 'EBADF') lose('tun', why);
    else {
      isDown = true;
      polls.watch(TUN, -1);
    }
  };

  for (;;) {
    polls.wait(isDown ? DOWN_WAIT : WAIT);
    if (polls.isReadable(WAKE) && !takeCommands()) return;
    if (lanes === undefined) continue;
    if (isDown) {
      isDown = false;
      polls.watch(TUN, lanes.tun);
    }
    if (polls.isReadable(TUN)) fromContainers(lanes);
    else if (polls.hasFailed(TUN)) lookAtDevice(lanes);
    if (polls.isReadable(SOCKET)) fromPeers(lanes);
    if (!polls.hasFailed(SOCKET)) failures = 0;
    else if (++failures === FAILURES) lose('socket', 'it fails again and again');
    // Reading takes the error off the socket.
    else fromPeers(lanes);
  }
}
