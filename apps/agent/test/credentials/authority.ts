import 'reflect-metadata';
import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { fingerprintOf } from '../../src/credentials/join.js';

const algorithm = { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' } as const;
const CLIENT = '1.3.6.1.5.5.7.3.2';
const SERVER = '1.3.6.1.5.5.7.3.1';

export interface Validity {
  /** Milliseconds since 1970, whole seconds. */
  readonly from: number;
  readonly until: number;
}

export interface TestAuthority {
  readonly certificate: string;
  readonly fingerprint: string;
  /** Certificate of an agent for the key of a request, whose signature is looked at. */
  certificateFor(request: string, validity: Validity): Promise<string>;
  /** For a server at 127.0.0.1. */
  serverPair(): Promise<{ readonly cert: string; readonly key: string }>;
}

function anHour(): Validity {
  const now = Math.floor(Date.now() / 1000) * 1000;
  return { from: now - 60_000, until: now + 3_600_000 };
}

/** An authority as a control plane has one. */
export async function testAuthority(name = 'CN=authority of a test'): Promise<TestAuthority> {
  x509.cryptoProvider.set(webcrypto);
  const keys = (await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const { from, until } = anHour();
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name,
    notBefore: new Date(from),
    notAfter: new Date(until),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  });
  let serial = 1;

  async function signed(publicKey: x509.PublicKeyType, subject: string, validity: Validity, extensions: x509.Extension[]): Promise<string> {
    serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial.toString(16).padStart(2, '0'),
      subject,
      issuer: name,
      notBefore: new Date(validity.from),
      notAfter: new Date(validity.until),
      signingAlgorithm: algorithm,
      signingKey: keys.privateKey,
      publicKey,
      extensions,
    });
    return certificate.toString('pem');
  }

  const certificate = own.toString('pem');
  return {
    certificate,
    fingerprint: fingerprintOf(new X509Certificate(certificate)),
    certificateFor: async (request, validity) => {
      const parsed = new x509.Pkcs10CertificateRequest(request);
      if (!(await parsed.verify())) throw new Error('the request is not signed with its key');
      return signed(parsed.publicKey, 'CN=a node', validity, [new x509.ExtendedKeyUsageExtension([CLIENT])]);
    },
    serverPair: async () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cert = await signed(new x509.PublicKey(publicKey.export({ type: 'spki', format: 'pem' }).toString()), 'CN=server', anHour(), [
        new x509.ExtendedKeyUsageExtension([SERVER]),
        new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
      ]);
      return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}
