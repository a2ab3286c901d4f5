import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { type AgentCredentials, joinPaths, PROTOCOL_VERSION } from '@portolan/protocol';
import type { CredentialStore } from '@portolan/store';
import { createMemoryAccess, type MemoryAccess, openMemoryCredentials } from '@portolan/store/memory';
import { expect, onTestFinished } from 'vitest';
import { listenOn, openAuthority, systemClock } from '../src/index.js';
import { type Answer, type Json, openapiDocument, startTestPlane, type TestParts, type TestPlane } from './test-plane.js';

/** The token of the environment. */
export const BOOTSTRAP = 'bootstrap-secret';
export const bootstrap = { authorization: `Bearer ${BOOTSTRAP}` } as const;

/** A key and what came of it. */
export interface Host {
  readonly key: string;
  readonly credentials: AgentCredentials;
}

export interface SecurePlane extends TestPlane {
  readonly url: string;
  readonly plainUrl: string;
  readonly credentials: CredentialStore;
  readonly access: MemoryAccess;
  /** Over TLS, with the certificate of a host or without one. */
  readonly secure: Secure;
  joinToken(body?: object): Promise<string>;
  join(name: string, address: string, token: string): Promise<Answer & { readonly host: Host }>;
}

/** A control plane that listens with TLS, with a cluster `lab` of nobody, and another one. */
export async function startSecurePlane(parts: TestParts & { readonly directory?: string; readonly access?: MemoryAccess } = {}): Promise<SecurePlane> {
  const directory = parts.directory ?? temporaryDirectory();
  const authority = await openAuthority(directory, new Date());
  const credentials = parts.credentials ?? openMemoryCredentials();
  const access = parts.access ?? createMemoryAccess();
  const plane = await startTestPlane({ token: BOOTSTRAP, ...parts, credentials, access, authority });
  const addresses = [{ host: '127.0.0.1', port: 0 }];
  const [plainUrl = '', url = ''] = await listenOn(plane.app, addresses, { addresses, authority, names: ['portolan.test'], now: systemClock.now });

  const secure = secureCaller(url, authority.certificate);

  async function joinToken(body: object = {}): Promise<string> {
    const made = await plane.send('POST', '/v1/clusters/lab/join-tokens', body, bootstrap);
    expect(made.status).toBe(201);
    return String(made.body.token);
  }

  async function joinHost(name: string, address: string, token: string): Promise<Answer & { readonly host: Host }> {
    const { key, csr } = await newRequest();
    const answer = await secure('POST', joinPaths.join, { protocol: PROTOCOL_VERSION, token, name, address, request: csr });
    return { ...answer, host: { key, credentials: answer.body as unknown as AgentCredentials } };
  }

  if (parts.start !== false) for (const name of ['lab', 'secret']) await plane.send('POST', '/v1/clusters', { name }, bootstrap);
  return { ...plane, url, plainUrl, credentials, access, secure, joinToken, join: joinHost };
}

export type Secure = (method: string, path: string, body?: unknown, as?: Host | Record<string, string>) => Promise<Answer>;

/** Sends requests over TLS. `authority`: PEM, by which the server is verified. */
export function secureCaller(url: string, authority: string): Secure {
  // One connection for each host, as an agent has it: it is judged with each request.
  const connections = new Map<string, Agent>();
  onTestFinished(() => {
    for (const agent of connections.values()) agent.destroy();
  });
  function connectionOf(certificate = ''): Agent {
    const known = connections.get(certificate) ?? new Agent({ keepAlive: true, maxSockets: 1 });
    connections.set(certificate, known);
    return known;
  }
  return (method, path, body, as) => {
    const identity = isHost(as) ? { key: as.key, cert: as.credentials.certificate } : {};
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(isHost(as) ? {} : as),
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { method, ca: authority, agent: connectionOf(identity.cert), ...identity, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const isJson = response.headers['content-type']?.includes('json') === true;
          resolve({ status: response.statusCode ?? 0, body: (isJson ? JSON.parse(text) : text) as Json, headers: response.headers });
        });
      });
      sent.on('error', reject);
      sent.end(payload);
    });
  };
}

function isHost(as: Host | Record<string, string> | undefined): as is Host {
  return as !== undefined && 'credentials' in as;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-tls-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** As an agent makes it. */
export async function newRequest(): Promise<{ readonly key: string; readonly csr: string }> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=host', keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`, csr: csr.toString('pem') };
}

export interface DocumentedOperation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{cluster}` and other parameters in it. */
  readonly template: string;
  readonly needs: string;
}

/** Every operation below /v1: a test of the documents sees to it that the OpenAPI document has them all. */
export function operationsOf(plane: TestPlane): readonly DocumentedOperation[] {
  return Object.entries(openapiDocument(plane.app).paths)
    .filter(([template]) => template.startsWith('/v1/'))
    .flatMap(([template, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase() as DocumentedOperation['method'],
        template,
        needs: String((operation as unknown as Json)['x-needs']),
      })),
    );
}

/** The path of an operation: in `cluster`, about `node` or what has its name. */
export function pathOf({ template }: DocumentedOperation, cluster: string, node: string): string {
  const path = template.replace('{cluster}', cluster).replace(/\{[a-z]+\}/gi, node);
  return path.endsWith('/wait') ? `${path}?timeout=0` : path;
}
