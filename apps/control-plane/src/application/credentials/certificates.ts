// The library registers its parts by decorators, which need this first.
import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  X509Certificate as SignedCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { portolanError } from '@portolan/model';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const AUTHORITY_DAYS = 3650;
/** Clocks of hosts differ. */
const BEFORE_MS = 5 * MINUTE_MS;
/** As OpenSSL and node name them. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** A key and its certificate. */
export interface Identity {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

export function pemOf({ key, certificate }: Identity): string {
  return `${key.export({ type: 'pkcs8', format: 'pem' }).toString()}${certificate.toString()}`;
}

/** The reverse of `pemOf`. Throws for what is none. */
export function identityOf(pem: string): Identity {
  const identity = { key: createPrivateKey(pem), certificate: new X509Certificate(pem) };
  if (!identity.certificate.checkPrivateKey(identity.key)) throw new Error('the key is not that of the certificate');
  return identity;
}

/** A new authority: it signs nothing but certificates of this control plane and of its nodes. */
export async function newAuthority(now: Date): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ O: ['Portolan'] }, { CN: [`authority ${now.toISOString()}`] }],
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await keyObjectOf(keys.privateKey), certificate: new X509Certificate(made.toString('pem')) };
}

/** For a server that is called by `names`: DNS names and addresses. */
export async function newServerIdentity(authority: Identity, names: readonly string[], now: Date, days: number): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await signed(authority, {
    subject: [{ O: ['Portolan'] }, { CN: ['control plane'] }],
    publicKey: Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey)),
    now,
    until: new Date(now.getTime() + days * DAY_MS),
    extensions: [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))),
    ],
  });
  return { key: await keyObjectOf(keys.privateKey), certificate };
}

/** For the agent of a node, with the key of its request. The names in it are for people: what counts is in the table of credentials. */
export function newNodeCertificate(
  authority: Identity,
  node: { readonly clusterId: string; readonly nodeId: string },
  publicKey: KeyObject,
  now: Date,
  until: Date,
): Promise<X509Certificate> {
  return signed(authority, {
    subject: [{ O: [node.clusterId] }, { CN: [node.nodeId] }],
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    now,
    until,
    extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
  });
}

interface Order {
  readonly subject: Record<string, string[]>[];
  readonly publicKey: Buffer;
  readonly now: Date;
  readonly until: Date;
  readonly extensions: readonly Extension[];
}

async function signed(authority: Identity, order: Order): Promise<X509Certificate> {
  const signingKey = await webcrypto.subtle.importKey('pkcs8', authority.key.export({ type: 'pkcs8', format: 'der' }), algorithm, false, ['sign']);
  const issuer = new SignedCertificate(authority.certificate.raw);
  const made = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: order.subject,
    // As it stands in the certificate: a chain is found by comparing the two.
    issuer: issuer.subjectName,
    notBefore: new Date(order.now.getTime() - BEFORE_MS),
    notAfter: order.until < issuer.notAfter ? order.until : issuer.notAfter,
    signingAlgorithm,
    publicKey: order.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...order.extensions,
    ],
  });
  return new X509Certificate(made.toString('pem'));
}

/** The public key of a PKCS #10 request that is signed with it, ECDSA P-256 or Ed25519. Throws `invalid-document`. */
export async function requestedKey(pem: string): Promise<KeyObject> {
  try {
    const request = new Pkcs10CertificateRequest(pem);
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
    const isStrong = key.asymmetricKeyType === 'ed25519' || (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1');
    if (isStrong && (await request.verify())) return key;
  } catch {
    // Refused below, like one that is wrong in another way.
  }
  throw portolanError('invalid-document', '/request', 'this is no certificate request that is signed by a key of ECDSA P-256 or Ed25519');
}

/** SHA-256 of the certificate, hexadecimal. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex');
}

/** Hexadecimal, in small letters. */
export function serialOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toLowerCase();
}

/** Whether the authority issued this certificate to a client, and it is neither early nor over. */
export function isIssuedToClient(authority: Identity, certificate: X509Certificate, now: Date): boolean {
  return (
    certificate.checkIssued(authority.certificate) &&
    certificate.verify(authority.certificate.publicKey) &&
    !certificate.ca &&
    certificate.keyUsage?.includes(CLIENT_AUTH) === true &&
    new Date(certificate.validFrom) <= now &&
    now < new Date(certificate.validTo)
  );
}

/** A secret that only who has the authority's key can tell: 32 bytes. */
export function secretOf({ key }: Identity, purpose: string): Uint8Array {
  const { d = '' } = key.export({ format: 'jwk' });
  return new Uint8Array(hkdfSync('sha256', Buffer.from(d, 'base64url'), '', `portolan ${purpose}`, 32));
}

/** 127 bits of chance, the first byte neither zero nor negative: so it reads the same in every notation. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

async function keyObjectOf(key: webcrypto.CryptoKey): Promise<KeyObject> {
  return createPrivateKey({ key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)), format: 'der', type: 'pkcs8' });
}
