import { randomBytes, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type AgentCredentials, type JoinRequest, joinPaths, joinTokenOf, type RenewRequest } from '@portolan/protocol';
import type { TestAuthority, Validity } from './authority.js';

export const CLUSTER = 'lab';
export const NODE = 'node1';

/** A control plane as hosts that join see it. What it does is in the hands of a test. */
export interface ScriptedServer {
  readonly url: string;
  readonly token: string;
  readonly joins: readonly JoinRequest[];
  readonly renewals: readonly RenewRequest[];
  /** Paths of other requests, with the serial number of the certificate that was shown, '' for none. */
  readonly asked: readonly { readonly path: string; readonly serial: string; readonly tls: string }[];
  /** What it calls its authority. */
  authority: string;
  validity: Validity;
  /** Besides the certificate. */
  gives: Pick<AgentCredentials, 'redisUrl' | 'etcd'>;
  /** 'revoked': 401 to everything that shows a certificate; 'down': 503. */
  mode: 'up' | 'revoked' | 'down';
  /** How many TCP connections were made. */
  connections(): number;
  close(): Promise<void>;
}

async function bodyOf<T>(request: IncomingMessage): Promise<T> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text) as T;
}

function refuse(response: ServerResponse, status: number, code: string, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ code, status, detail, fix: 'As the server says.' }));
}

export async function scriptedServer(authority: TestAuthority): Promise<ScriptedServer> {
  const token = joinTokenOf({ id: 'k1', secret: randomBytes(32).toString('base64url'), fingerprint: authority.fingerprint });
  const joins: JoinRequest[] = [];
  const renewals: RenewRequest[] = [];
  const asked: { path: string; serial: string; tls: string }[] = [];
  let usesLeft = 1;
  let connections = 0;

  async function credentials(request: string): Promise<AgentCredentials> {
    const certificate = await authority.certificateFor(request, plane.validity);
    return {
      cluster: CLUSTER,
      node: NODE,
      nodeId: 'n'.repeat(25),
      certificate,
      authority: authority.certificate,
      expiresAt: new Date(new X509Certificate(certificate).validTo).toISOString(),
      ...plane.gives,
    };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', socket } = request;
    const shown = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
    const serial = shown?.serialNumber ?? '';
    const send = (document: unknown): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    if (plane.mode === 'down') return refuse(response, 503, 'store-unavailable', 'down');
    if (url === joinPaths.authority) return void response.writeHead(200, { 'content-type': 'application/x-pem-file' }).end(plane.authority);
    if (url === joinPaths.join) {
      const joining = await bodyOf<JoinRequest>(request);
      joins.push(joining);
      if (joining.token !== token || usesLeft === 0) return refuse(response, 403, 'join-refused', 'the token is used up');
      usesLeft -= 1;
      return send(await credentials(joining.request));
    }
    asked.push({ path: url, serial, tls: socket instanceof TLSSocket ? (socket.getProtocol() ?? '') : '' });
    if (plane.mode === 'revoked' || serial === '') return refuse(response, 401, 'unauthorized', 'no');
    if (url === joinPaths.renew(CLUSTER, NODE)) {
      const renewing = await bodyOf<RenewRequest>(request);
      renewals.push(renewing);
      return send(await credentials(renewing.request));
    }
    response.writeHead(304).end();
  }

  const pair = await authority.serverPair();
  const server = createServer({ ...pair, ca: authority.certificate, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))));
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const now = Math.floor(Date.now() / 1000) * 1000;
  const plane: ScriptedServer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    joins,
    renewals,
    asked,
    authority: authority.certificate,
    validity: { from: now - 60_000, until: now + 3_600_000 },
    gives: { redisUrl: null, etcd: null },
    mode: 'up',
    connections: () => connections,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return plane;
}
