import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type NodeState, wholeHash } from '@portolan/node-state';
import {
  agentHeaders,
  agentPaths,
  type DesiredState,
  isLater,
  PROTOCOL_VERSION,
  type Report,
  type ReportAnswer,
  type ReportOrder,
  type TrafficReading,
} from '@portolan/protocol';

/** The agents' API over real HTTP, with its state and its failures in the hands of a test. */
export interface FakeControlPlane {
  readonly url: string;
  /** Reports that were taken, oldest first. */
  readonly reports: readonly Report[];
  /** Readings of traffic that were taken, oldest first. */
  readonly readings: readonly TrafficReading[];
  readonly requests: { state: number; notModified: number; traffic: number };
  offer(generation: number, state: NodeState, revision?: number, nodeId?: string): void;
  /** Of the latest report; a report that is not later is not taken. */
  latest: ReportOrder | undefined;
  /** Whether it knows of readings of traffic. */
  counts: boolean;
  /** Version of the protocol that it is of. */
  speaks: number;
  /** 'down' answers 503 to everything, 'refuse' 422 to reports. */
  mode: 'up' | 'down' | 'refuse';
  /** Hashes of observed objects that are asked for again although they were left out. */
  forget(): void;
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

export async function startControlPlane(cluster: string, node: string): Promise<FakeControlPlane> {
  let desired: DesiredState | undefined;
  const held = new Set<string>();
  let forgets = false;
  const reports: Report[] = [];
  const readings: TrafficReading[] = [];
  const requests = { state: 0, notModified: 0, traffic: 0 };

  function giveState(request: IncomingMessage, response: ServerResponse): void {
    requests.state += 1;
    if (desired === undefined) {
      response.writeHead(404).end('{"detail":"no such node"}');
      return;
    }
    const headers = {
      [agentHeaders.generation]: String(desired.generation),
      [agentHeaders.revision]: String(desired.revision),
      etag: `"${desired.state.hash}"`,
      // Said since protocol 4.
      ...(plane.speaks < 4 ? {} : { [agentHeaders.protocol]: String(plane.speaks) }),
    };
    if (request.headers['if-none-match'] === headers.etag) {
      requests.notModified += 1;
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify({ ...desired, protocol: plane.speaks }));
  }

  async function takeReport(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const report = JSON.parse(await bodyOf(request)) as Report;
    if (report.protocol !== plane.speaks) {
      response.writeHead(422).end(`{"detail":"this control plane speaks version ${plane.speaks} of the protocol, not ${report.protocol}"}`);
      return;
    }
    if (plane.mode === 'refuse') {
      response.writeHead(422).end('{"detail":"refused by the test"}');
      return;
    }
    if (report.order !== undefined && plane.latest !== undefined && !isLater(report.order, plane.latest)) {
      const late: ReportAnswer = { generation: desired?.generation ?? 0, wantsObjects: false, overtakenBy: plane.latest };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(late));
      return;
    }
    plane.latest = report.order;
    reports.push(report);
    const { hash, objects } = report.observed;
    const isState = !forgets && desired !== undefined && desired.state.hash === report.stateHash && wholeHash(desired.state) === hash;
    const wantsObjects = objects === undefined && !held.has(hash) && !(plane.speaks >= 4 && isState);
    if (objects !== undefined) held.add(hash);
    forgets = false;
    const answer: ReportAnswer = { generation: desired?.generation ?? 0, wantsObjects };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  async function takeTraffic(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.traffic += 1;
    const reading = JSON.parse(await bodyOf(request)) as TrafficReading;
    if (plane.mode === 'refuse') {
      response.writeHead(422).end('{"detail":"refused by the test"}');
      return;
    }
    if (plane.counts) readings.push(reading);
    response.writeHead(plane.counts ? 204 : 404).end();
  }

  const server = createServer((request, response) => {
    if (plane.mode === 'down') response.writeHead(503).end('{"detail":"down"}');
    else if (request.method === 'GET' && request.url === agentPaths.state(cluster, node)) giveState(request, response);
    else if (request.method === 'POST' && request.url === agentPaths.reports(cluster, node)) void takeReport(request, response);
    else if (request.method === 'POST' && request.url === agentPaths.traffic(cluster, node)) void takeTraffic(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const plane: FakeControlPlane = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    reports,
    readings,
    requests,
    counts: true,
    mode: 'up',
    latest: undefined,
    speaks: PROTOCOL_VERSION,
    offer: (generation, state, revision = generation, nodeId = 'node1-of-before') => {
      desired = { protocol: PROTOCOL_VERSION, nodeId, generation, revision, state };
    },
    forget: () => {
      held.clear();
      forgets = true;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return plane;
}
