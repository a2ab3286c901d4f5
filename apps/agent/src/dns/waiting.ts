import { datagrams, type Sender } from '@portolan/kernel/sockets';

/** One for all sockets of the thread: it holds messages only while they are worked on. */
const ROOM = { capacity: 64, size: 4096 } as const;
/** So many messages are taken before everything else of the thread gets its turn. */
const TURN = 2_048;
/** A socket that had nothing so often in a row is left to Node until it has something. */
const PATIENCE = 4;

const room = datagrams(ROOM.capacity, ROOM.size);

/** A UDP socket of which the thread takes messages. */
export interface WaitingSocket {
  readonly fd: number;
  /** What comes in; `reply` is to be called once, at once or later, without a message when there is none. */
  readonly onMessage: (message: Buffer, reply: (message?: Buffer) => void) => void;
  /** Sends one message by itself. */
  readonly send: (message: Buffer, to: Sender) => void;
}

/** Sockets that had something lately, with the times in a row that they had nothing since. */
const busy = new Map<WaitingSocket, number>();

/** A message with its sender, or from the place in the room where both are until others are taken in. */
function take({ onMessage, send }: WaitingSocket, message: Buffer, from: Sender | number): void {
  let isNow = true;
  let isOver = false;
  let sender = typeof from === 'number' ? undefined : from;
  onMessage(message, (reply) => {
    isOver = true;
    if (reply === undefined) return;
    if (isNow && reply.length <= ROOM.size) room.put(reply, from);
    else send(reply, sender ?? room.sender(Number(from)));
  });
  isNow = false;
  // Whoever replies later finds other messages in the room.
  if (!isOver && typeof from === 'number') sender = room.sender(from);
}

/**
 * Takes the message that Node has read of a socket, and then what else waits, of the other busy sockets too: Node reads one message at a time
 * and wakes for each socket, while many are read and answered here by two system calls. To look in vain costs a tenth of being woken.
 */
export function takeWaiting(woken: WaitingSocket, message: Buffer, sender: Sender): void {
  take(woken, message, sender);
  room.flush(woken.fd);
  busy.set(woken, 0);
  for (let taken = 1, before = 0; taken > before && taken < TURN; ) {
    before = taken;
    for (const [socket, misses] of busy) {
      const count = room.receive(socket.fd);
      if (count > 0) {
        for (let i = 0; i < count; i++) take(socket, room.message(i), i);
        room.flush(socket.fd);
        taken += count;
        if (misses > 0) busy.set(socket, 0);
      } else if (misses < PATIENCE) busy.set(socket, misses + 1);
      else busy.delete(socket);
    }
  }
}

/** To be called before the socket is closed: its descriptor may soon be another's. */
export function forgetSocket(socket: WaitingSocket): void {
  busy.delete(socket);
}
