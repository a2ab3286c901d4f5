import { bjdtManifest } from '@portolan/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type RealPlane, startRealPlane } from './real-plane.js';

const nodes = ['node1', 'node2', 'node3'];
const service = 'bjdt_bjdt-dzwl-web';
/** The same cluster with another scheduler of one service. */
const changed = stringify({ ...bjdtManifest, services: bjdtManifest.services?.map((spec) => (spec.name === service ? { ...spec, scheduler: 'wlc' } : spec)) });

let plane: RealPlane;
const leases: (() => Promise<void>)[] = [];
const applied = (words: string, input?: string) => plane.whileApplied('bjdt', nodes, plane.portolan(words, undefined, input), undefined, 0);

beforeAll(async () => {
  plane = await startRealPlane();
  await plane.succeed('cluster create bjdt');
  for (const node of nodes) leases.push(await plane.coordination.keepAlive('bjdt', node, { version: 'test', startedAt: new Date().toISOString(), pid: 1 }));
  expect(await applied('apply -f examples/bjdt.yaml --wait')).toMatchObject({ exitCode: 0 });
});
afterAll(async () => {
  for (const end of leases) await end();
  await plane.stop();
});

describe('a change that is looked at first', () => {
  let before = 0;
  let id = '';

  it('is planned, rolled out node by node, and in the history', async () => {
    before = (JSON.parse(await plane.succeed('history --limit 1 --json')) as { revision: number }[])[0]?.revision ?? 0;
    const plan = await plane.succeed('plan -f -', undefined, changed);
    expect(plan).toMatch(new RegExp(`^change +service +${service}$`, 'm'));
    expect(plan).toMatch(/^node1: \d+ steps, \w+ connections$/m);
    expect(plan).toMatch(/ virtual-server\/\S+ .*bjdt_bjdt-dzwl-web.* (cuts|moves|none)$/m);
    id = /portolan apply --plan (\S+)/.exec(plan)?.[1] ?? '';
    const rolled = await applied(`apply --plan ${id} --parallelism 2 --monitor 0 --wait`);
    expect(rolled).toMatchObject({ exitCode: 0, out: `changeset ${id} is applied as revision ${before + 1}\n` });
    for (const node of nodes) expect(rolled.err).toMatch(new RegExp(`^${node}: updated`, 'm'));
    expect(await plane.succeed('changeset list')).toMatch(new RegExp(`^${id} +applied +${before} +${before + 1} `, 'm'));
    expect(await plane.succeed(`changeset show ${id}`)).toMatch(/^node3 +updated /m);
    expect(await plane.succeed('history --limit 1')).toMatch(new RegExp(`^ +${before + 1} .* 127\\.0\\.0\\.1 +apply manifest`, 'm'));
    expect(await plane.succeed(`diff ${before}`)).toContain(`~ service ${service}\n-   /scheduler: rr\n+   /scheduler: wlc\n`);
  });

  it('is refused when somebody was faster, and says what moved', async () => {
    const stale = /--plan (\S+)/.exec(await plane.succeed('plan -f -', undefined, changed.replaceAll('wlc', 'lc')))?.[1];
    await plane.succeed('apply -f -', undefined, changed.replaceAll('wlc', 'sh'));
    const { exitCode, err } = await plane.portolan(`apply --plan ${stale}`);
    expect(exitCode).toBe(1);
    expect(err).toContain('[stale-plan]');
    expect(await plane.succeed(`changeset discard ${stale}`)).toBe(`discarded changeset ${stale}\n`);
  });

  it('is taken back', async () => {
    expect(await plane.succeed('rollback --dry-run')).toContain('apply it with: portolan apply --plan');
    const back = await applied(`rollback --to ${before} --wait`);
    expect(back).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(new RegExp(`^back to revision ${before}, as revision \\d+: 1 changed$`, 'm')) as unknown,
    });
    const now = parse(await plane.succeed('export')) as typeof bjdtManifest;
    expect(now).toEqual(parse(await plane.succeed(`export --revision ${before}`)));
    expect(now.services?.find(({ name }) => name === service)?.scheduler).toBe('rr');
  });
});

it('what drifts is shown, and that a node keeps failing', async () => {
  const since = '2026-01-01T00:00:01.000Z';
  const drift = { key: 'bridge/host/br0', kind: 'missing', reason: 'it was deleted', since } as const;
  expect(await plane.succeed('drift')).toBe('no drift: the kernels are as they were applied\n');
  await plane.report('bjdt', 'node2', undefined, 0, { drift: { open: [drift], repaired: [] } });
  expect(await plane.succeed('drift --node node2')).toMatch(/^node2 +missing +bridge\/host\/br0 +2026\S+ +open +it was deleted$/m);
  const command = { command: 'ip -batch -', exitCode: 1, stderr: 'RTNETLINK answers: File exists\n' };
  const errors = [{ code: 'command-failed', message: 'br0 cannot be made', fix: 'See the job.', command }];
  for (let run = 0; run < 3; run += 1)
    await plane.report('bjdt', 'node2', undefined, 0, {
      status: 'failed',
      errors,
      drift: { open: [], repaired: [{ ...drift, repairedAt: '2026-01-01T00:00:01.500Z' }] },
    });
  expect(await plane.succeed('drift --all')).toContain('repaired after 500 ms');
  expect(await plane.succeed('get node node2')).toMatch(/ 3 failures since 20\S+\n$/);
  expect(await plane.succeed('status')).toContain(
    'node2: br0 cannot be made [command-failed]\n  ip -batch -: exit code 1\n  ! RTNETLINK answers: File exists\n',
  );
});
