import { describe, expect, it } from 'vitest';
import { refusal } from './fake-api.js';
import { runScripted } from './scripted.js';

const open = {
  node: 'node-1',
  key: 'virtual-server/own:lb/329',
  kind: 'missing',
  reason: 'somebody deleted it',
  expected: {},
  found: null,
  since: '2026-01-01T00:00:01.000Z',
  seenAt: '2026-01-01T00:00:01.000Z',
  outcome: 'open',
  endedAt: null,
};
const repaired = { ...open, outcome: 'repaired', endedAt: '2026-01-01T00:00:01.420Z' };
const page = (...items: readonly object[]) => ({ body: { items, nextCursor: null } });

describe('portolan drift', () => {
  it('shows what is open', async () => {
    const { out, received } = await runScripted('drift --node node-1', () => page(open));
    expect(received).toMatchObject([{ path: '/v1/clusters/c/drift', query: { node: 'node-1', outcome: 'open' } }]);
    expect(out).toBe(`NODE    KIND     OBJECT                     SINCE                     OUTCOME  REASON
node-1  missing  virtual-server/own:lb/329  2026-01-01T00:00:01.000Z  open     somebody deleted it
`);
    expect((await runScripted('drift', () => page())).out).toBe('no drift: the kernels are as they were applied\n');
  });

  it('shows with --all what is over, too', async () => {
    const { out, received } = await runScripted('drift --all', () => page(repaired));
    expect(received[0]?.query).toEqual({ limit: '100' });
    expect(out).toContain('  repaired after 420 ms  ');
    expect(JSON.parse((await runScripted('drift --all --json', () => page(repaired))).out)).toEqual([repaired]);
  });

  it('watches: a line for each thing that drifts, and one when it is repaired', async () => {
    const looks = [page({ ...repaired, key: 'old' }), page(open), page(open), page(repaired)];
    const { exitCode, out } = await runScripted('drift --watch', (_request, earlier) => looks[earlier] ?? refusal(404, 'not-found', 'the cluster is gone'));
    expect(exitCode).toBe(1);
    expect(out).toBe(`2026-01-01T00:00:01.000Z node-1 open missing virtual-server/own:lb/329: somebody deleted it
2026-01-01T00:00:01.420Z node-1 repaired after 420 ms missing virtual-server/own:lb/329: somebody deleted it
`);
  });
});

describe('a degraded node', () => {
  const command = { command: 'ip -batch -', exitCode: 1, stderr: 'RTNETLINK answers: File exists\nCommand failed -:3\n' };
  const error = { code: 'command-failed', message: 'the link br0 cannot be made', fix: 'See the job.', key: 'bridge/host/br0', command };
  const node = {
    name: 'node-1',
    alive: true,
    generation: 2,
    computedRevision: 5,
    appliedRevision: 4,
    lastReportAt: '2026-01-01T00:00:01.000Z',
    lastStatus: 'failed',
    lastErrors: [error],
    lastWaiting: [],
    degraded: { since: '2026-01-01T00:00:00.000Z', failures: 4, errors: [] },
  };

  it('is in the status, with what failed: command, exit code and output', async () => {
    const { out } = await runScripted('status', () => ({ body: { cluster: 'c', intentRevision: 5, computedRevision: 5, appliedRevision: 4, nodes: [node] } }));
    expect(out).toMatch(/ degraded \(4 failures\)$/m);
    expect(out).toContain(`node-1 is degraded: it has failed 4 times in a row since 2026-01-01T00:00:00.000Z
node-1: bridge/host/br0: the link br0 cannot be made [command-failed]
  ip -batch -: exit code 1
  ! RTNETLINK answers: File exists
  ! Command failed -:3
  fix: See the job.
`);
  });

  it('is in the list of nodes', async () => {
    const { out } = await runScripted('get nodes', () => page({ name: 'node-1', role: 'worker', availability: 'active', condition: 'up', status: node }));
    expect(out).toMatch(/ APPLIED +DEGRADED\n.* 4 failures since 2026-01-01T00:00:00\.000Z\n$/);
  });
});
