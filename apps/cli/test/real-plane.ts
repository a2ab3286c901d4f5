import { fileURLToPath } from 'node:url';
import { buildControlPlane, type Log, listenOn, randomId, systemClock } from '@portolan/control-plane';
import { agentPaths, type DesiredState, noSignals, PROTOCOL_VERSION, type Report } from '@portolan/protocol';
import { createMemoryCoordination, createMemoryQueue, openMemoryStore } from '@portolan/store/memory';
import { expect } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { screen } from './screen.js';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
const drop = (): void => undefined;
const log: Log = { level: 'silent', silent: drop, fatal: drop, error: drop, warn: drop, info: drop, debug: drop, trace: drop, child: () => log };

export type RealPlane = Awaited<ReturnType<typeof startRealPlane>>;

/** The published API itself, over HTTP; only the servers behind it are twins in memory. `token`: what may do everything there. */
export async function startRealPlane(token?: string) {
  const parts = { store: openMemoryStore(), queue: createMemoryQueue(), coordination: createMemoryCoordination() };
  const plane = await buildControlPlane({ ...parts, clock: systemClock, newId: randomId, log, token });
  const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
  await plane.start();

  async function portolan(words: string, cluster?: string, input = '') {
    const environment = {
      PORTOLAN_URL: url,
      ...(token === undefined ? {} : { PORTOLAN_TOKEN: token }),
      ...(cluster === undefined ? {} : { PORTOLAN_CLUSTER: cluster }),
    };
    const terminal = screen({ directory: root, environment, readStandardInput: () => Promise.resolve(input) });
    const exitCode = await runPortolan(words.split(' '), terminal);
    return { exitCode, out: terminal.out(), err: terminal.err() };
  }

  async function succeed(words: string, cluster?: string, input?: string): Promise<string> {
    const { exitCode, out, err } = await portolan(words, cluster, input);
    expect(`${exitCode} ${err}`).toMatch(/^0 (revision \d+ is applied on every node.*\n)?$/);
    return out;
  }

  /** Says for a node that everything is applied, as an agent would; with `connections` of those that leave, that its endpoints are present. */
  async function report(cluster: string, node: string, isWaiting: (key: string) => boolean = () => false, connections?: number, more: Partial<Report> = {}) {
    const answer = await fetch(`${url}${agentPaths.state(cluster, node)}`);
    // Nothing is computed for it yet.
    if (answer.status === 404) return;
    const desired = (await answer.json()) as DesiredState;
    const now = new Date().toISOString();
    const { objects } = desired.state;
    const sent: Report = {
      protocol: PROTOCOL_VERSION,
      agentVersion: 'test',
      generation: desired.generation,
      revision: desired.revision,
      stateHash: desired.state.hash,
      status: 'applied',
      startedAt: now,
      finishedAt: now,
      steps: [],
      commands: [],
      errors: [],
      waiting: objects.map(({ key }) => key).filter(isWaiting),
      endpoints: connections === undefined ? {} : Object.fromEntries(Object.keys(desired.state.endpoints).map((id) => [id, 'present'])),
      signals: { ...noSignals, connections: Object.fromEntries(desired.state.watch.draining.map((id) => [id, connections ?? 0])) },
      observed: { hash: desired.state.hash, objects: objects.map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind })), foreign: [] },
      facts: {},
      ...more,
    };
    const response = await fetch(`${url}${agentPaths.reports(cluster, node)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(sent),
    });
    expect(response.status).toBe(200);
  }

  /** Runs the command while every node reports again and again. */
  async function whileApplied<T>(
    cluster: string,
    nodes: readonly string[],
    command: Promise<T>,
    isWaiting?: (key: string) => boolean,
    connections?: number,
  ): Promise<T> {
    let done = false;
    const end = command.finally(() => {
      done = true;
    });
    while (!done) {
      for (const node of nodes) await report(cluster, node, isWaiting, connections);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return end;
  }

  return { url, coordination: parts.coordination, portolan, succeed, report, whileApplied, stop: () => plane.stop() };
}
