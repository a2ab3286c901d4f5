import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { isIPv4 } from 'node:net';
import { PortolanError, portolanError } from '@portolan/model';
import { type JoinRequest, type JoinTokenParts, joinPaths, joinTokenParts, PROTOCOL_VERSION, type RenewRequest } from '@portolan/protocol';
import { type HeldCredentials, heldCredentials } from './held.js';
import { errorOfAnswer } from './problem-answer.js';
import { type Exchange, secureLine } from './secure-line.js';

/** Milliseconds. Users of Redis and etcd are made meanwhile. */
const PATIENCE = 20_000;
const MOST_BYTES = 64 * 1024;

export interface Joining {
  /** Base URL of the control plane, https. */
  readonly server: string;
  readonly token: string;
  /** Name that the node is to have. */
  readonly name: string;
  /** Its address on the underlay; that by which it reaches the control plane unless given. */
  readonly address: string | undefined;
}

interface Introduction {
  /** What the server says its authority is, as yet believed by nobody. */
  readonly authority: string;
  /** Our own address on this connection. */
  readonly localAddress: string;
}

function pathsOf(server: string): (path: string) => string {
  return (path) => `${server.replace(/\/+$/, '')}${path}`;
}

function unreachable(server: string, cause: unknown): PortolanError {
  if (cause instanceof PortolanError) return cause;
  const isWrongName = cause instanceof Error && 'code' in cause && cause.code === 'ERR_TLS_CERT_ALTNAME_INVALID';
  return portolanError('store-unavailable', '', `${server} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    fix: isWrongName
      ? 'Use a name or address of the control plane that its certificate has, or start the control plane with this one among its names.'
      : 'Correct --server, or start the control plane.',
  });
}

/** Asks a server that nobody has vouched for yet. Nothing secret is sent. */
function introduction(server: string): Promise<Introduction> {
  return new Promise((resolve, reject) => {
    const asked = request(
      pathsOf(server)(joinPaths.authority),
      { rejectUnauthorized: false, minVersion: 'TLSv1.3', agent: false, signal: AbortSignal.timeout(PATIENCE) },
      (response) => {
        const localAddress = response.socket.localAddress ?? '';
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
          if (text.length > MOST_BYTES) response.destroy(new Error('the answer is too long for a certificate'));
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve({ authority: text, localAddress });
          else reject(new Error(`it answered ${response.statusCode} to ${joinPaths.authority}; is it a control plane that hosts can join?`));
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

/** SHA-256 of a certificate, as join tokens have it. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('base64url');
}

/** The authority, PEM, if it is the one that the token names. Fails with `join-refused`. */
function pinnedAuthority(text: string, { fingerprint }: JoinTokenParts, server: string): string {
  let authority: X509Certificate | undefined;
  try {
    authority = new X509Certificate(text);
  } catch {}
  if (authority === undefined || !timingSafeEqual(Buffer.from(fingerprintOf(authority)), Buffer.from(fingerprint))) {
    throw portolanError('join-refused', '', `${server} is not the control plane that the join token is of: its authority is another one`, {
      fix: 'Correct --server. If it is right, somebody answers in its place: do not go on before you know who.',
    });
  }
  // As it was compared: what stands behind it in the same text is trusted by nobody.
  return authority.toString();
}

/** The parts of a join token. Fails with `join-refused`. */
export function partsOfToken(token: string): JoinTokenParts {
  const parts = joinTokenParts(token);
  if (parts !== undefined) return parts;
  throw portolanError('join-refused', '', 'this is no join token: one begins with "ptl-join." and has three more parts', {
    fix: 'Copy the whole token that "portolan token create" has printed.',
  });
}

function ownAddress(given: string | undefined, localAddress: string): string {
  const address = given ?? localAddress.replace(/^::ffff:/, '');
  if (isIPv4(address) && (given !== undefined || !address.startsWith('127.'))) return address;
  throw portolanError('invalid-document', '/address', `this host reaches the control plane from ${address}, by which no other host reaches it`, {
    fix: 'Give the address of this host on the underlay: --address ADDRESS.',
  });
}

async function post(exchange: Exchange, server: string, path: string, document: JoinRequest | RenewRequest): Promise<unknown> {
  let response: Response;
  try {
    response = await exchange(pathsOf(server)(path), {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify(document),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (cause) {
    throw unreachable(server, cause);
  }
  if (!response.ok) throw await errorOfAnswer(response, `POST ${path}`);
  try {
    return await response.json();
  } catch (cause) {
    throw unreachable(server, cause);
  }
}

/**
 * Makes this host a node: proves itself once by the token, and gets credentials of its own. The server is believed only where its
 * authority has the token's fingerprint. Fails with `join-refused`, `invalid-document`, `store-unavailable`, or with what the control plane says.
 */
export async function joinCluster({ server, token, name, address }: Joining): Promise<HeldCredentials> {
  const parts = partsOfToken(token);
  const introduced = await introduction(server).catch((cause: unknown) => {
    throw unreachable(server, cause);
  });
  const authority = pinnedAuthority(introduced.authority, parts, server);
  const underlay = ownAddress(address, introduced.localAddress);
  const { newKeyWithRequest } = await import('./certificate-request.js');
  const { privateKey, request } = await newKeyWithRequest();
  const line = secureLine({ authority });
  try {
    const answer = await post(line.exchange, server, joinPaths.join, { protocol: PROTOCOL_VERSION, token: token.trim(), name, address: underlay, request });
    return heldCredentials(answer, { server, privateKey }, `the answer of ${server}`);
  } finally {
    line.close();
  }
}

/** New credentials for those that end, over a connection that shows these; with a new key. Fails as `joinCluster`. */
export async function renewedCredentials(held: HeldCredentials, exchange: Exchange): Promise<HeldCredentials> {
  const { newKeyWithRequest } = await import('./certificate-request.js');
  const { privateKey, request } = await newKeyWithRequest();
  const answer = await post(exchange, held.server, joinPaths.renew(held.cluster, held.node), { protocol: PROTOCOL_VERSION, request });
  const renewed = heldCredentials(answer, { server: held.server, privateKey }, `the answer of ${held.server}`);
  if (renewed.cluster === held.cluster && renewed.node === held.node) return renewed;
  throw portolanError('invalid-document', '', `the control plane renewed the credentials of ${renewed.cluster}/${renewed.node} instead of ours`);
}
