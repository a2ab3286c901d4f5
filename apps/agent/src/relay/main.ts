/** The program of flannel's udp backend, and the thread of it that forwards. The agent starts it; it goes on when the agent is gone. */
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { forwardUntilStopped } from './loop.js';
import type { Command, ThreadSettings } from './messages.js';
import { runProgram } from './program.js';

if (isMainThread) await runProgram(new URL(import.meta.url));
else if (parentPort !== null) {
  const port = parentPort;
  forwardUntilStopped(workerData as ThreadSettings, {
    next: () => receiveMessageOnPort(port)?.message as Command | undefined,
    tell: (message) => port.postMessage(message),
  });
}
