/**
 * The program that the guest's init runs: it executes what the lab outside asks for, and ends when the connection
 * to the lab does; init then powers the guest off. It may import only what needs no node_modules: Node itself and
 * the files beside it.
 */
import { createServer, type Socket } from 'node:net';
import { release } from 'node:os';
import type { MachineProcess } from '../hosts/machine.js';
import { runProcess, startProcess } from '../hosts/process.js';
import { CHANNEL_PORT, type GuestAnswer, type GuestRequest, readLines } from './channel.js';

function serve(socket: Socket): void {
  const processes = new Map<number, MachineProcess>();
  const answer = (message: GuestAnswer): void => {
    socket.write(`${JSON.stringify(message)}\n`);
  };

  async function start(request: GuestRequest & { op: 'start' }): Promise<void> {
    try {
      const process = await startProcess(request.argv, request);
      processes.set(request.id, process);
      answer({ op: 'started', id: request.id, pid: process.pid });
      const end = await process.exited;
      processes.delete(request.id);
      answer({ op: 'exited', id: request.id, ...end });
    } catch (error) {
      answer({ op: 'refused', id: request.id, reason: (error as Error).message });
    }
  }

  async function take(request: GuestRequest): Promise<void> {
    switch (request.op) {
      case 'run':
        answer({ op: 'ran', id: request.id, executed: await runProcess(request.argv, request.input) });
        return;
      case 'start':
        await start(request);
        return;
      case 'kill':
        await processes.get(request.process)?.kill(request.signal);
        answer({ op: 'killed', id: request.id });
    }
  }

  readLines(socket, (line) => void take(JSON.parse(line) as GuestRequest));
  answer({ op: 'ready', release: release() });
}

const token = process.env.PORTOLAN_CHANNEL_TOKEN ?? '';
// A lab that was killed while the guest booted never comes; its own patience is shorter.
const abandoned = setTimeout(() => process.exit(1), 60_000);
const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  const dropped = setTimeout(() => socket.destroy(), 5_000);
  let isLab = false;
  socket.on('close', () => {
    clearTimeout(dropped);
    if (isLab) process.exit(0);
  });
  socket.once('data', (first) => {
    // The lab waits for "ready" before it says more, so the first chunk is the token and nothing else.
    if (token === '' || first.toString('utf8').trim() !== token) {
      socket.destroy();
      return;
    }
    isLab = true;
    clearTimeout(dropped);
    clearTimeout(abandoned);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    server.close();
    serve(socket);
  });
});
server.listen(CHANNEL_PORT, process.env.PORTOLAN_GUEST_ADDRESS);
