import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { datagrams, type Sender, socketIn } from '../src/sockets.js';

const HOME = '/proc/self/ns/net';
const ADDRESS = '127.9.9.1';

async function received(room: ReturnType<typeof datagrams>, fd: number, count: number): Promise<{ text: string; sender: Sender }[]> {
  const all: { text: string; sender: Sender }[] = [];
  for (const end = Date.now() + 5_000; all.length < count && Date.now() < end; await new Promise(setImmediate)) {
    for (let i = 0, found = room.receive(fd); i < found; i++) all.push({ text: room.message(i).toString(), sender: room.sender(i) });
  }
  return all;
}

describe('datagrams', () => {
  it('reads many at once with their senders, and replies to each', async () => {
    const room = datagrams(8, 100);
    const bound = createSocket('udp4');
    await new Promise<void>((resolve) => bound.bind(0, ADDRESS, resolve));
    const { port } = bound.address();
    bound.close();
    const fd = socketIn(HOME, { kind: 'udp', bind: { address: ADDRESS, port } });
    const client = createSocket('udp4');
    try {
      expect(room.receive(fd)).toBe(0);
      const replies: string[] = [];
      client.on('message', (message) => replies.push(message.toString()));
      const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
      await new Promise<void>((resolve) => client.connect(port, ADDRESS, resolve));
      for (const text of texts) await new Promise<void>((resolve) => client.send(text, () => resolve()));
      expect(room.receive(fd)).toBe(8);
      expect(room.message(7).toString()).toBe('message 7');
      expect(room.sender(7)).toEqual({ address: '127.0.0.1', port: client.address().port });
      for (let i = 0; i < 8; i++) room.put(Buffer.from(`reply ${i}`), i);
      room.flush(fd);
      room.put(Buffer.from('to an address'), room.sender(0));
      // Nobody is there: it is lost, and what follows is not.
      room.put(Buffer.from('nowhere'));
      room.put(Buffer.from('behind it'), room.sender(1));
      room.flush(fd);
      expect((await received(room, fd, 12)).map(({ text }) => text)).toEqual(texts.slice(8));
      for (const end = Date.now() + 5_000; replies.length < 10 && Date.now() < end; ) await new Promise(setImmediate);
      expect(replies).toEqual([...Array.from({ length: 8 }, (_, i) => `reply ${i}`), 'to an address', 'behind it']);
      client.send('x'.repeat(200));
      expect((await received(room, fd, 1)).map(({ text }) => text.length)).toEqual([100]);
    } finally {
      client.close();
      closeSync(fd);
    }
  });
});
