import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PortolanError } from '@portolan/model';
import { joinTokenOf, joinTokenParts, PROTOCOL_VERSION } from '@portolan/protocol';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { credentialsOf, type JoinSettings } from '../../src/credentials/credentials-of.js';
import { type CredentialsFile, credentialsFile } from '../../src/credentials/held.js';
import { type TestAuthority, testAuthority } from './authority.js';
import { CLUSTER, NODE, type ScriptedServer, scriptedServer } from './scripted-server.js';

let authority: TestAuthority;
let stranger: TestAuthority;
let server: ScriptedServer;
let folder: string;
let file: CredentialsFile;
let logged: string[];
const note = (_fields: object, message: string): void => void logged.push(message);
const log = { debug: note, info: note, warn: note, error: note };

beforeAll(async () => {
  authority = await testAuthority();
  stranger = await testAuthority();
});
beforeEach(async () => {
  server = await scriptedServer(authority);
  folder = mkdtempSync(join(tmpdir(), 'portolan-join-'));
  file = credentialsFile(join(folder, 'state', 'credentials.json'));
  logged = [];
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function settings(given: Partial<JoinSettings> = {}): JoinSettings {
  return { token: server.token, file: undefined, server: server.url, name: NODE, address: '192.0.2.7', ...given };
}
const joined = (given: Partial<JoinSettings> = {}, today = systemClock.today) => credentialsOf(settings(given), file, log, today);

async function refusal(given: Partial<JoinSettings>): Promise<PortolanError> {
  try {
    await joined(given);
  } catch (error) {
    if (error instanceof PortolanError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('joining', () => {
  it('gets credentials for a key that stays here, and keeps them for the owner alone', async () => {
    const held = await joined();
    expect(held).toMatchObject({ cluster: CLUSTER, node: NODE, server: server.url });
    expect(server.joins).toHaveLength(1);
    const [request] = server.joins;
    expect(request).toMatchObject({ protocol: PROTOCOL_VERSION, token: server.token, name: NODE, address: '192.0.2.7' });
    expect(JSON.stringify(request)).not.toContain('PRIVATE');
    const key = createPrivateKey(held?.privateKey ?? '');
    expect(key.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(new X509Certificate(held?.certificate ?? '').checkPrivateKey(key)).toBe(true);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(await file.read()).toEqual(held);
  });

  it('happens once: later the credentials are used, also with the token still there', async () => {
    const first = await joined();
    expect(await joined({ token: undefined, server: undefined })).toEqual(first);
    expect(await joined()).toEqual(first);
    expect(server.joins).toHaveLength(1);
    expect(logged.at(-1)).toBe('this host has joined already: its credentials are used, the join token is not');
    await server.close();
    expect(await joined()).toEqual(first);
  });

  it('happens again where the credentials have ended or are refused, as far as the token goes', async () => {
    const first = await joined();
    server.mode = 'revoked';
    expect(await refusal({})).toMatchObject({ code: 'join-refused', problems: [{ fix: 'As the server says.' }] });
    server.mode = 'up';
    const later = server.validity.until + 1;
    await expect(joined({}, () => later)).rejects.toMatchObject({ code: 'join-refused' });
    expect(server.joins).toHaveLength(3);
    // What there was is kept.
    expect(await file.read()).toEqual(first);
  });

  it('believes no server whose authority is another than the pinned one, and tells it nothing', async () => {
    for (const claimed of [stranger.certificate, `${stranger.certificate}\n${authority.certificate}`, '', 'no certificate']) {
      server.authority = claimed;
      expect(await refusal({})).toMatchObject({ code: 'join-refused' });
    }
    expect(server.joins).toHaveLength(0);
    await expect(file.read()).resolves.toBeUndefined();
  });

  it('believes no server that names the pinned authority and has a certificate of another one', async () => {
    const impostor = await scriptedServer(stranger);
    try {
      impostor.authority = authority.certificate;
      expect(await refusal({ server: impostor.url })).toMatchObject({ code: 'store-unavailable' });
      expect(impostor.joins).toHaveLength(0);
    } finally {
      await impostor.close();
    }
  });

  it('trusts one certificate only, whatever stands behind it', async () => {
    server.authority = `${authority.certificate}\n${stranger.certificate}`;
    const held = await joined();
    expect(held?.authority.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  });

  it('is not by a name that the certificate does not have', async () => {
    const { port } = new URL(server.url);
    expect(await refusal({ server: `https://localhost:${port}` })).toMatchObject({
      code: 'store-unavailable',
      problems: [{ fix: expect.stringContaining('name or address') }],
    });
    expect(server.joins).toHaveLength(0);
  });

  it('takes its own address from the connection, but not one of loopback', async () => {
    expect(await refusal({ address: undefined })).toMatchObject({ code: 'invalid-document', problems: [{ path: '/address' }] });
    expect(server.joins).toHaveLength(0);
  });

  it('reads the token from a file', async () => {
    const path = join(folder, 'token');
    writeFileSync(path, `${server.token}\n`);
    expect(await joined({ token: undefined, file: path })).toMatchObject({ node: NODE });
    expect(await refusal({ token: undefined, file: `${path}-of-nobody` })).toMatchObject({ code: 'invalid-document', problems: [{ path: '/join-file' }] });
  });

  it('says what is wrong with a token, with a server, and with credentials of another control plane', async () => {
    expect(await refusal({ token: 'ptl-join.short' })).toMatchObject({ code: 'join-refused' });
    expect(await refusal({ server: undefined })).toMatchObject({ code: 'invalid-document', problems: [{ path: '/server' }] });
    expect(await refusal({ server: 'https://127.0.0.1:1' })).toMatchObject({ code: 'store-unavailable' });
    await joined();
    const parts = joinTokenParts(server.token);
    if (parts === undefined) throw new Error('no token');
    expect(await refusal({ token: joinTokenOf({ ...parts, fingerprint: stranger.fingerprint }) })).toMatchObject({ code: 'join-refused' });
  });

  it('does not go on with a damaged file', async () => {
    const held = await joined();
    const whole = readFileSync(file.path, 'utf8');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    for (const damaged of [
      '',
      '{}',
      whole.slice(0, -20),
      JSON.stringify({ format: 1, ...held, privateKey: other }),
      JSON.stringify({ format: 1, ...held, authority: stranger.certificate }),
    ]) {
      writeFileSync(file.path, damaged);
      await expect(joined({ token: undefined })).rejects.toMatchObject({
        code: 'invalid-document',
        problems: [{ message: expect.stringContaining(file.path) }],
      });
    }
  });
});
