import { createHash, type KeyObject, randomBytes, type X509Certificate } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Identity, identityOf, isIssuedToClient, newAuthority, newNodeCertificate, newServerIdentity, pemOf, secretOf } from './certificates.js';

/** A server certificate lives so long, and is renewed when less than a third of that is left. Days. */
const SERVER_DAYS = 90;
const DAY_MS = 86_400_000;

/** What signs the certificates of nodes, and what they know the control plane by. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate in DER, base64url: what join tokens carry. */
  readonly fingerprint: string;
  /** Passwords of nodes at other servers follow from it; 32 bytes. */
  readonly accessSecret: Uint8Array;
  certify(node: { readonly clusterId: string; readonly nodeId: string }, key: KeyObject, now: Date, until: Date): Promise<X509Certificate>;
  /** Whether it issued this certificate to a client, and the certificate is neither early nor over. */
  vouchesFor(certificate: X509Certificate, now: Date): boolean;
  /** For a TLS server that is called by `names`; a new one when the one before ends soon, or lacks a name. */
  serverIdentity(names: readonly string[], now: Date): Promise<ServerIdentity>;
}

export interface ServerIdentity {
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
}

function authorityOf(identity: Identity, loadServer: Authority['serverIdentity']): Authority {
  const { certificate } = identity;
  return {
    certificate: certificate.toString(),
    fingerprint: createHash('sha256').update(certificate.raw).digest('base64url'),
    accessSecret: secretOf(identity, 'node access'),
    certify: (node, key, now, until) => newNodeCertificate(identity, node, key, now, until),
    vouchesFor: (presented, now) => isIssuedToClient(identity, presented, now),
    serverIdentity: loadServer,
  };
}

/**
 * The authority in a folder; a new one where the folder has none. Several control planes are one authority by having copies of the folder.
 * `authority.pem` holds key and certificate in one file, so that no two halves ever meet; `server.pem` likewise.
 */
export async function openAuthority(directory: string, now: Date): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'authority.pem');
  const identity = (await identityIn(file)) ?? (await madeOnce(file, await newAuthority(now)));
  return authorityOf(identity, async (names, at) => {
    const serverFile = join(directory, 'server.pem');
    const known = await identityIn(serverFile);
    if (known !== undefined && serves(known.certificate, identity.certificate, names, at)) return serverIdentityOf(known);
    const made = await newServerIdentity(identity, names, at, SERVER_DAYS);
    await rename(await written(serverFile, made), serverFile);
    return serverIdentityOf(made);
  });
}

function serverIdentityOf({ key, certificate }: Identity): ServerIdentity {
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate: certificate.toString() };
}

function serves(certificate: X509Certificate, authority: X509Certificate, names: readonly string[], now: Date): boolean {
  const left = Date.parse(certificate.validTo) - now.getTime();
  const isNamed = (name: string): boolean => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
  return left > (SERVER_DAYS * DAY_MS) / 3 && certificate.checkIssued(authority) && certificate.verify(authority.publicKey) && names.every(isNamed);
}

/** Undefined where there is no file. Refuses one that other accounts may read. */
async function identityIn(file: string): Promise<Identity | undefined> {
  let mode: number;
  try {
    mode = (await stat(file)).mode;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  if ((mode & 0o077) !== 0) throw new Error(`${file} holds a private key and may be read by others: set its mode to 600`);
  try {
    return identityOf(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} does not hold a key and its certificate`, { cause: error });
  }
}

/** A file beside, whole and on disk. */
async function written(file: string, identity: Identity): Promise<string> {
  const beside = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(beside, 'wx', 0o600);
  try {
    await handle.writeFile(pemOf(identity));
    await handle.sync();
  } finally {
    await handle.close();
  }
  return beside;
}

/** Of several that start at once one is first, and all have its identity. */
async function madeOnce(file: string, identity: Identity): Promise<Identity> {
  const beside = await written(file, identity);
  try {
    await link(beside, file);
    return identity;
  } catch (error) {
    const first = await identityIn(file);
    if (first === undefined) throw error;
    return first;
  } finally {
    await unlink(beside);
  }
}
