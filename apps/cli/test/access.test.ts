import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runAgent } from '../src/commands/agent.js';
import { runScripted } from './scripted.js';

const folder = mkdtempSync(join(tmpdir(), 'portolan-agent-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('portolan token create', () => {
  const made = () => ({ status: 201, body: { id: 't1', token: 'secret' } });

  it('prints the token of a person alone, so that a shell can take it', async () => {
    const { out, err, sent } = await runScripted('token create --role viewer --name grafana --cluster a --cluster b --ttl 30d', made);
    expect(sent).toEqual(['POST /v1/tokens {"name":"grafana","role":"viewer","clusters":["a","b"],"ttl":2592000}']);
    expect(out).toBe('secret\n');
    expect(err).toContain('viewer of a, b, good for 30d\n');
    expect(err).toContain('portolan token revoke t1');
  });

  it('is for all clusters and for ever unless said otherwise, whatever cluster the shell works with', async () => {
    const { sent } = await runScripted('token create --role admin --json', made);
    expect(sent).toEqual([expect.stringMatching(/^POST \/v1\/tokens \{"name":"admin-20[\dTZ-]+","role":"admin"\}$/)]);
  });

  it('prints what to run on a host', async () => {
    const join = () => ({ status: 201, body: { id: 'j1', token: 'ptl-join.j1.s.f', expiresAt: '2026-01-01T02:00:00.000Z', server: null } });
    const { out, err, sent } = await runScripted('token create --role worker --ttl 2h --uses 3 --server https://cp.example:7443', join);
    expect(sent).toEqual(['POST /v1/clusters/c/join-tokens {"role":"worker","ttl":7200,"uses":3}']);
    expect(out).toBe('portolan agent --join ptl-join.j1.s.f --server https://cp.example:7443\n');
    expect(err).toBe('run this as root on each of 3 hosts at most, before 2026-01-01T02:00:00.000Z:\n');
    const plain = await runScripted('token create --role manager --cluster other', join);
    expect(plain.sent).toEqual(['POST /v1/clusters/other/join-tokens {"role":"manager","ttl":3600,"uses":1}']);
    expect(plain.err).toContain(`${plain.url} is not HTTPS, and a host joins over HTTPS only`);
    const told = await runScripted('token create --role worker', () => ({ body: { ...join().body, server: 'https://cp.example' } }));
    expect(told.out).toBe('portolan agent --join ptl-join.j1.s.f --server https://cp.example\n');
  });
});

it('tokens are listed and revoked', async () => {
  const token = {
    id: 't1',
    name: 'grafana',
    role: 'viewer',
    clusters: null,
    createdBy: 'ann',
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: null,
    revokedAt: null,
  };
  const { out } = await runScripted('token list', () => ({ body: { items: [token, { ...token, expiresAt: '2020-01-01T00:00:00.000Z' }] } }));
  expect(out).toMatch(/^ID +NAME +ROLE +CLUSTERS +IS .*\nt1 +grafana +viewer +all +good .* ann +-\nt1 .* over .*\n$/);
  const join = { ...token, role: 'worker', expiresAt: '2999-01-01T00:00:00.000Z', usesLeft: 2 };
  const joins = await runScripted('token list --join', () => ({ body: { items: [join] } }));
  expect(joins.received[0]?.path).toBe('/v1/clusters/c/join-tokens');
  expect(joins.out).toMatch(/\nt1 +worker +good +2 /);
  expect((await runScripted('token revoke t1', () => ({ status: 204 }))).sent).toEqual(['DELETE /v1/tokens/t1 null']);
  expect((await runScripted('token revoke j1 --join', () => ({ status: 204 }))).sent).toEqual(['DELETE /v1/clusters/c/join-tokens/j1 null']);
});

it('a node is cut off, and its certificates are shown', async () => {
  const revoked = await runScripted('node revoke node-1', () => ({ body: { revoked: 1 } }));
  expect(revoked.sent).toEqual(['POST /v1/clusters/c/nodes/node-1/revoke null']);
  expect(revoked.out).toMatch(/^node-1 is cut off/);
  const row = {
    id: '0a',
    fingerprint: 'ff00',
    issuedAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2999-01-01T00:00:00.000Z',
    revokedAt: '2026-02-01T00:00:00.000Z',
  };
  const { out } = await runScripted('node credentials node-1', () => ({ body: { items: [row] } }));
  expect(out).toMatch(/\n0a +revoked +2026-01-01\S+ +2026-02-01\S+ +ff00\n$/);
});

it('refusals are shown', async () => {
  const row = { at: '2026-01-01T00:00:00.000Z', from: '192.0.2.9', actor: null, method: 'GET', path: '/v1/clusters', reason: 'unknown-token' };
  const { out } = await runScripted('refusals', () => ({ body: { items: [row] } }));
  expect(out).toMatch(/\n2026\S+ +192\.0\.2\.9 +- +GET \/v1\/clusters +unknown-token\n$/);
});

describe('portolan agent', () => {
  it('runs the agent with the same arguments, and ends as it ends', async () => {
    const program = join(folder, 'agent.mjs');
    writeFileSync(program, 'process.exit(process.argv.slice(2).join(" ") === "--join T --help" ? 7 : 8);');
    expect(await runAgent(['--join', 'T', '--help'], program)).toBe(7);
  });

  it('says how to get it where it is not here', async () => {
    await expect(runAgent([], join(folder, 'nothing.js'))).rejects.toMatchObject({ exitCode: 1, fix: expect.stringContaining('npm run build') as unknown });
  });
});
