/** The thread of the name server: it owns the sockets in the endpoints' namespaces, so a busy loop in the agent keeps no query waiting. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { nameService } from './name-service.js';

const port = parentPort;
if (port === null) throw new Error('dns-worker runs as a worker thread only');
const service = nameService(workerData as WorkerSettings, systemClock, (below) => Math.floor(Math.random() * below));

let tail = Promise.resolve();
port.on('message', (message: ToWorker) => {
  // One after the other: a change waits for its sockets.
  tail = tail.then(async () => {
    if (message.kind === 'close') service.close(message.keys);
    else port.postMessage((await service.change(message)) satisfies FromWorker);
  });
});
