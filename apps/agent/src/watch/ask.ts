import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { HealthProbe, Space } from '@portolan/node-state';
import type { Clock } from '../clock.js';
import { conversation, type Dial } from './dial.js';

/** not-tried: no socket could be had where the probe starts from, which says nothing about the endpoint. */
export type ProbeOutcome = 'success' | 'failure' | 'timeout' | 'not-tried';

/** Calls `settle` with the status of the answer. */
function askForStatus(socket: Socket, { address, port, path }: HealthProbe, settle: (status: number) => void): void {
  const asked = request({
    createConnection: () => socket,
    host: address,
    port,
    // A path may be written with characters that a request line must not hold.
    path: path.replace(/[^\x21-\x7e]+/gu, encodeURIComponent),
    headers: { connection: 'close', 'user-agent': 'portolan-agent' },
  });
  asked.on('error', () => settle(0));
  asked.once('response', (response) => {
    response.on('error', () => undefined);
    settle(response.statusCode ?? 0);
  });
  asked.end();
}

/** Asks an endpoint once, as its health check says. `pathOf` gives the namespace to ask from, and may throw. Never rejects. */
export async function probeOutcome(probe: HealthProbe, pathOf: (space: Space) => string | undefined, dial: Dial, clock: Clock): Promise<ProbeOutcome> {
  const answer = await conversation<number>({
    open: () => dial(pathOf(probe.space), probe.address, probe.port),
    milliseconds: probe.timeoutMs,
    clock,
    talk: (socket, settle) => (probe.kind === 'tcp' ? settle(200) : askForStatus(socket, probe, settle)),
  });
  if (typeof answer === 'number') return answer >= 200 && answer <= 399 ? 'success' : 'failure';
  return answer === 'timeout' || answer === 'not-tried' ? answer : 'failure';
}
