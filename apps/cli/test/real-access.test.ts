import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RealPlane, startRealPlane } from './real-plane.js';

let plane: RealPlane;

beforeAll(async () => {
  plane = await startRealPlane('everything');
  await plane.succeed('cluster create a');
  await plane.succeed('cluster create b');
});
afterAll(() => plane.stop());

it('a token is made, does what its role may in its clusters, and ends when it is revoked', async () => {
  const { out, err } = await plane.portolan('token create --role viewer --name grafana --cluster a --ttl 1h');
  const token = out.trim();
  const id = /portolan token revoke (\S+)/.exec(err)?.[1];
  expect(await plane.succeed('token list')).toMatch(new RegExp(`^${id} +grafana +viewer +a +good `, 'm'));

  expect(await plane.succeed(`get nodes -c a --token ${token}`)).toBe('no nodes\n');
  expect(await plane.portolan(`get nodes -c b --token ${token}`)).toMatchObject({ exitCode: 1, out: '' });
  expect(await plane.portolan(`cluster create c --token ${token}`)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[forbidden]\n  fix: Use a token with a higher role, or one for this cluster: --token or PORTOLAN_TOKEN.') as unknown,
  });

  expect(await plane.succeed(`token revoke ${id}`)).toBe(`revoked token ${id}\n`);
  expect(await plane.portolan(`get nodes -c a --token ${token}`)).toMatchObject({ exitCode: 1, err: expect.stringContaining('[unauthorized]') as unknown });
  expect(await plane.succeed('token list')).toMatch(/ revoked /);
  await expect.poll(() => plane.succeed('refusals --limit 10'), { timeout: 5000 }).toMatch(/ 127\.0\.0\.1 .* POST \/v1\/clusters /);
});

it('where hosts cannot join, the reason is told', async () => {
  const { exitCode, err } = await plane.portolan('token create --role worker --cluster a');
  expect(exitCode).toBe(1);
  expect(err).toContain('PORTOLAN_TLS_LISTEN');
  expect(await plane.succeed('token list --join -c a')).toBe('no tokens\n');
});
