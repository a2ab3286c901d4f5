import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, Name, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';

/** ecdsa-with-SHA256 of RFC 5758. */
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

export interface KeyWithRequest {
  /** PKCS #8, PEM. It never leaves this host. */
  readonly privateKey: string;
  /** PKCS #10, PEM. */
  readonly request: string;
}

/** A new P-256 key, and a request for a certificate of it that names nobody: whose certificate it becomes, the control plane decides. */
export async function newKeyWithRequest(): Promise<KeyWithRequest> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: new Name(),
    subjectPKInfo: AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(certificationRequestInfo)), privateKey);
  const request = new CertificationRequest({
    certificationRequestInfo,
    signatureAlgorithm: new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 }),
    signature: new Uint8Array(signature).buffer,
  });
  const lines = Buffer.from(AsnConvert.serialize(request)).toString('base64').replace(/.{64}/g, '$&\n');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    request: `-----BEGIN CERTIFICATE REQUEST-----\n${lines.trimEnd()}\n-----END CERTIFICATE REQUEST-----\n`,
  };
}
