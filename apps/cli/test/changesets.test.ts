import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { refusal } from './fake-api.js';
import { runScripted } from './scripted.js';

const directory = mkdtempSync(join(tmpdir(), 'portolan-plan-'));
writeFileSync(join(directory, 'change.yaml'), 'services:\n  - name: web\n    colour: red\n');
afterAll(() => rmSync(directory, { recursive: true }));

const step = { action: 'replace', key: 'virtual-server/own:lb/329', origin: 'service web', reason: 'its scheduler changes', risk: 'moves' };
const blocker = {
  code: 'backend-on-gone-node',
  path: '/endpoints/3',
  message: 'api.3 is on a node that is gone',
  fix: 'Delete it.',
  override: 'backend-on-gone-node:api.3',
};
const planned = {
  id: 'c1',
  status: 'planned',
  actor: 'ann',
  from: '192.0.2.7',
  summary: 'web by weight',
  baseRevision: 7,
  revision: null,
  plan: {
    changes: [{ action: 'change', kind: 'service', name: 'web' }],
    nodes: [
      { nodeId: 'n1', node: 'node-1', steps: [step, { ...step, action: 'delete', key: 'mark/own:lb/329', risk: 'cuts' }], more: 3, risk: 'cuts' },
      { nodeId: 'n2', node: 'node-2', steps: [step], more: 0, risk: 'moves' },
    ],
    blockers: [],
  },
  rollout: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};
const blocked = { ...planned, plan: { ...planned.plan, blockers: [blocker] } };

/** Under way, with the nodes in these states. */
function rolling(status: string, states: Readonly<Record<string, object>>, more: object = {}) {
  const nodes = Object.entries(states).map(([node, state]) => ({ node, at: null, reason: null, ...state }));
  const rollout = { spec: {}, overrides: [], nextBatchAt: null, confirmBy: null, reason: null, nodes, ...more };
  return { ...planned, status, revision: 8, rollout };
}
const at = '2026-01-01T00:00:09.000Z';

describe('portolan plan', () => {
  it('shows node by node, object by object, what would be done, why and at what risk', async () => {
    const { exitCode, out, sent } = await runScripted('plan -f change.yaml --force --summary later', () => ({ status: 201, body: planned }), { directory });
    expect(exitCode).toBe(0);
    expect(sent).toEqual(['POST /v1/clusters/c/changesets {"manifest":{"services":[{"name":"web","colour":"red"}]},"force":true,"summary":"later"}']);
    expect(out).toBe(`CHANGE  KIND     NAME
change  service  web

node-1: 5 steps, cuts connections
ACTION   OBJECT                     FOR          REASON                 RISK
replace  virtual-server/own:lb/329  service web  its scheduler changes  moves
delete   mark/own:lb/329            service web  its scheduler changes  cuts
… and 3 more steps

node-2: 1 steps, moves connections
ACTION   OBJECT                     FOR          REASON                 RISK
replace  virtual-server/own:lb/329  service web  its scheduler changes  moves

planned on revision 7; apply it with: portolan apply --plan c1
`);
  });

  it('colours what cuts red and what moves yellow', async () => {
    const { out } = await runScripted('plan --rollback-to 3', () => ({ status: 201, body: planned }), { color: true });
    const csi = String.fromCharCode(27);
    expect(out).toContain(`${csi}[31mcuts${csi}[39m`);
    expect(out).toContain(`${csi}[33mmoves${csi}[39m`);
  });

  it('ends with 2 where findings block it, and says how to override them', async () => {
    const { exitCode, out, err, sent } = await runScripted('plan --rollback-to 3', () => ({ status: 201, body: blocked }));
    expect(exitCode).toBe(2);
    expect(sent).toEqual(['POST /v1/clusters/c/changesets {"rollback":{"to":3}}']);
    expect(out).toContain(`
blocked: /endpoints/3: api.3 is on a node that is gone [backend-on-gone-node]
  fix: Delete it.
  or:  --override backend-on-gone-node:api.3
`);
    expect(err).toContain('the plan is blocked by 1 finding\n');
    expect(err).toContain('portolan apply --plan c1 --override backend-on-gone-node:api.3');
  });

  it('is written to a file, and is the whole answer for programs', async () => {
    const { exitCode, out } = await runScripted('plan -f change.yaml --out plan.json --json', () => ({ status: 201, body: planned }), { directory });
    expect([exitCode, JSON.parse(out)]).toEqual([0, planned]);
    expect(JSON.parse(readFileSync(join(directory, 'plan.json'), 'utf8'))).toEqual(planned);
  });

  it('points into the file where the manifest is wrong', async () => {
    const problems = [{ code: 'unknown-field', path: '/manifest/services/0/colour', message: 'unknown field', fix: 'Remove it.' }];
    const { exitCode, err } = await runScripted('plan -f change.yaml', () => refusal(400, 'unknown-field', 'x', problems), { directory });
    expect(exitCode).toBe(1);
    expect(err).toContain('  at change.yaml:3:13\n  3 |     colour: red\n');
  });
});

describe('portolan apply --plan', () => {
  it('sends the words of the rollout, with times in seconds', async () => {
    const words =
      'apply --plan c1 --override a:b --override c:d --parallelism 2 --delay 10s --monitor 1m --max-failure-ratio 0.25 --failure-action rollback --confirm-within 15m';
    const { out, sent } = await runScripted(words, () => ({ body: rolling('rolling', { 'node-1': { state: 'waiting' } }) }));
    expect(sent).toEqual([
      'POST /v1/clusters/c/changesets/c1/apply {"override":["a:b","c:d"],"rollout":{"parallelism":2,"delay":10,"monitor":60,"maxFailureRatio":0.25,"failureAction":"rollback"},"confirmWithin":900}',
    ]);
    expect(out).toBe('changeset c1 rolls out as revision 8\n');
  });

  it('says what moved where the plan is stale', async () => {
    const problems = [{ code: 'stale-plan', path: '', message: 'revision 8 changed service web', fix: 'x' }];
    const { exitCode, err } = await runScripted('apply --plan c1 --wait', () => refusal(409, 'stale-plan', 'stale', problems));
    expect(exitCode).toBe(1);
    expect(err).toBe(
      'error: revision 8 changed service web [stale-plan]\n  fix: Look at what moved (portolan history, portolan diff), and make the plan again: portolan plan.\n',
    );
  });

  /** What the control plane says each time that it is asked; the last again and again. */
  const follow = (states: readonly object[], words = 'apply --plan c1 --wait') =>
    runScripted(words, ({ method }, earlier) => ({ body: method === 'POST' ? states[0] : states[Math.min(earlier, states.length - 1)] }));

  it('shows each node as it gets further, and ends when all have', async () => {
    const { exitCode, out, err } = await follow([
      rolling('rolling', { 'node-1': { state: 'waiting' }, 'node-2': { state: 'waiting' } }),
      rolling('rolling', { 'node-1': { state: 'released', at }, 'node-2': { state: 'waiting' } }),
      rolling('rolling', { 'node-1': { state: 'updated', at }, 'node-2': { state: 'waiting' } }),
      rolling('applied', { 'node-1': { state: 'updated', at }, 'node-2': { state: 'skipped' } }),
    ]);
    expect([exitCode, out]).toEqual([0, 'changeset c1 is applied as revision 8; not yet on node-2, whose agents are away\n']);
    expect(err).toMatch(/^node-1: released \(0 of 2 updated\)\nnode-1: updated \(1 of 2 updated\)\nnode-2: skipped \(1 of 2 updated\)\nwaited \d+ ms\n$/);
  });

  it('ends where it waits for its confirmation', async () => {
    const { exitCode, out } = await follow([rolling('rolling', {}), rolling('confirming', {}, { confirmBy: at })]);
    expect(exitCode).toBe(0);
    expect(out).toBe(`changeset c1 is on every node as revision 8, and is taken back at ${at} unless you run: portolan changeset confirm c1\n`);
  });

  it.each([
    ['paused', /^error: changeset c1 is paused: 1 of 2 nodes failed\n {2}fix: .*portolan changeset resume c1.*portolan changeset rollback c1/m],
    ['rolled-back', /^error: changeset c1 is rolled-back: 1 of 2 nodes failed\n {2}fix: .*portolan changeset show c1/m],
  ])('fails where it is %s', async (status, words) => {
    const nodes = { 'node-1': { state: 'failed', at, reason: 'the VIP 10.0.0.2:80 does not answer' } };
    const { exitCode, out, err } = await follow([rolling('rolling', {}), rolling(status, nodes, { reason: '1 of 2 nodes failed' })]);
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toContain('node-1: failed: the VIP 10.0.0.2:80 does not answer (0 of 1 updated)\n');
    expect(err).toMatch(words);
  });

  it('ends with 4 when the time is over, and says which nodes are behind', async () => {
    const { exitCode, err } = await follow([rolling('rolling', { 'node-1': { state: 'released', at } })], 'apply --plan c1 --wait --timeout 0.1');
    expect(exitCode).toBe(4);
    expect(err).toMatch(/^error: changeset c1 still rolls out after 0\.1 s: node-1 released\n/m);
  });

  it('outlives a control plane that starts again', async () => {
    const { exitCode, err } = await runScripted('apply --plan c1 --wait', ({ method }, earlier) =>
      method === 'GET' && earlier < 3 ? { status: 502, text: 'Bad Gateway' } : { body: rolling(method === 'GET' ? 'applied' : 'rolling', {}) },
    );
    expect(exitCode).toBe(0);
    expect(err.match(/trying again/g)).toHaveLength(1);
  });
});

describe('portolan changeset', () => {
  it('lists and shows', async () => {
    const { out } = await runScripted('changeset list', () => ({
      body: {
        items: [
          { ...rolling('paused', {}), kind: 'manifest', reason: 'too many failed' },
          { ...planned, kind: 'rollback', reason: null },
        ],
        nextCursor: null,
      },
    }));
    expect(out).toMatch(/^ID +STATUS +BASE +REVISION .*\nc1 +paused +7 +8 .* ann +web by weight +too many failed\nc1 +planned +7 +- /);
    const failed = rolling(
      'paused',
      { 'node-1': { state: 'failed', at, reason: 'too slow' }, 'node-2': { state: 'waiting' } },
      { reason: 'too many failed', overrides: ['a:b'] },
    );
    const { out: shown } = await runScripted('changeset show c1', () => ({ body: failed }));
    expect(shown).toMatch(/^by: +ann \(192\.0\.2\.7\)$/m);
    expect(shown).toMatch(/^overridden: +a:b\nreason: +too many failed$/m);
    expect(shown).toMatch(/^node-1 +failed +2026\S+ +too slow\nnode-2 +waiting +- +-$/m);
    expect(shown).toContain('node-1: 5 steps, cuts connections');
  });

  it.each([
    ['pause c1', 'POST', '/pause {}'],
    ['resume c1', 'POST', '/resume {}'],
    ['resume c1 --parallelism 0 --failure-action continue', 'POST', '/resume {"rollout":{"parallelism":0,"failureAction":"continue"}}'],
    ['confirm c1', 'POST', '/confirm {}'],
    ['rollback c1 --force', 'POST', '/rollback {"force":true}'],
    ['discard c1', 'DELETE', ' null'],
  ])('%s', async (words, method, rest) => {
    const { exitCode, sent } = await runScripted(`changeset ${words}`, () => ({ body: rolling('rolling', {}) }));
    expect([exitCode, sent]).toEqual([0, [`${method} /v1/clusters/c/changesets/c1${rest}`]]);
  });
});

describe('portolan rollback', () => {
  it('goes back, and waits', async () => {
    const { out, err, sent, received } = await runScripted('rollback --to 5 --wait', () => ({
      body: { to: 5, revision: 9, changed: true, changes: planned.plan.changes },
    }));
    expect(out).toMatch(/\nchanged +service +web\nback to revision 5, as revision 9: 1 changed\n$/);
    expect(err).toMatch(/^revision 9 is applied on every node \(waited \d+ ms\)\n$/);
    expect(sent).toEqual(['POST /v1/clusters/c/rollback {"to":5}']);
    expect(received.at(-1)).toMatchObject({ path: '/v1/clusters/c/wait', query: { revision: '9' } });
  });

  it('shows first what it would do, node by node', async () => {
    const { out, sent } = await runScripted('rollback --dry-run', () => ({ status: 201, body: planned }));
    expect(sent).toEqual(['POST /v1/clusters/c/changesets {"rollback":{}}']);
    expect(out).toContain('apply it with: portolan apply --plan c1');
  });
});
