import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { fakeApi, type Received, type Reply, refusal } from './fake-api.js';
import { screen } from './screen.js';

const folder = mkdtempSync(join(tmpdir(), 'portolan-cli-'));
const manifest = join(folder, 'site.yaml');
writeFileSync(manifest, 'services:\n  - name: web\n    colour: red\n    ports:\n      - { target: 80, published: 8000 }\n');
afterAll(() => rmSync(folder, { recursive: true }));

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function run(words: string, answer: (request: Received) => Reply = () => ({ status: 500 }), environment: Record<string, string> = {}) {
  const api = await fakeApi(answer);
  cleanups.push(api.close);
  const terminal = screen({ directory: folder, environment: { PORTOLAN_URL: api.url, PORTOLAN_CLUSTER: 'c1', ...environment } });
  const exitCode = await runPortolan(words.split(' ').filter(Boolean), terminal);
  return { exitCode, out: terminal.out(), err: terminal.err(), received: api.received };
}

describe('wrong usage ends with 2 and says what to type', () => {
  it.each([
    ['frobnicate', /Unknown argument: frobnicate/],
    ['aply -f x', /Did you mean apply\?/],
    ['get', /Not enough non-option arguments/],
    ['get bogus', /Choices: "node"/],
    ['get nodes --frob', /Unknown argument: frob/],
    ['apply', /nothing to apply/],
    ['apply -f nope.yaml', /cannot read nope\.yaml/],
    ['endpoint', /endpoint attach/],
    ['endpoint attach --service s --node n', /--netns PATH, --pid PID or --container NAME/],
    ['endpoint attach --service s --node n --pid 7 --container c', /exactly one/],
    ['endpoint attach --service s --node n --pid 7 --address 10.0.0.1', /NETWORK=IP/],
    ['node state n --observed --drift', /mutually exclusive/],
    ['get nodes --url nonsense', /not a URL/],
    ['get nodes --url localhost:7080', /not a URL/],
    ['apply --plan x --dry-run', /belong to a manifest/],
    ['apply -f site.yaml --parallelism 2', /--parallelism belongs to a plan/],
    ['apply -f site.yaml --plan x', /mutually exclusive/],
    ['apply --plan x --delay soon', /--delay soon is no length of time/],
    ['plan', /nothing to plan/],
    ['diff', /Not enough non-option arguments/],
    ['changeset', /changeset list/],
    ['token create', /Missing required argument: role/],
    ['token create --role owner', /Choices: "viewer"/],
    ['token create --role viewer --uses 2', /belong to a token of a host/],
    ['token create --role worker --name x', /--name belongs/],
    ['token create --role worker --cluster a --cluster b', /a host joins one cluster/],
    ['get nodes --ca nope.pem', /cannot read a certificate from/],
  ])('%s', async (words, message) => {
    const { exitCode, out, err, received } = await run(words);
    expect(err).toMatch(message);
    expect(err).toMatch(/fix: \S/);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
    expect(received).toEqual([]);
  });

  it('shows the help where no command is given', async () => {
    const { exitCode, out } = await run('');
    expect(exitCode).toBe(2);
    expect(out).toMatch(
      /Exit codes: 0 done; 1 refused or failed; 2 wrong usage, or a plan that findings block; 3 cannot reach the control plane;\s4 the wait timed out/,
    );
  });
});

describe('a control plane that cannot be reached ends with 3', () => {
  it('nobody listens', async () => {
    const { url, close } = await fakeApi(() => ({}));
    await close();
    const terminal = screen({ environment: { PORTOLAN_URL: url } });
    expect(await runPortolan(['get', 'clusters'], terminal)).toBe(3);
    expect(terminal.err()).toContain(`cannot reach the control plane at ${url}: connect ECONNREFUSED`);
    expect(terminal.err()).toMatch(/fix: Check PORTOLAN_URL/);
  });

  it.each<[string, Reply]>([
    ['a page of something else', { text: '<html>' }],
    ['an error of something else', { status: 502, text: 'Bad Gateway' }],
  ])('%s answers', async (_what, reply) => {
    expect((await run('get nodes', () => reply)).exitCode).toBe(3);
  });
});

describe('a refusal ends with 1', () => {
  it('shows each problem with its line, a caret and the fix', async () => {
    const problems = [
      { code: 'unknown-field', path: '/services/0/colour', message: 'unknown field', fix: 'Remove the field.' },
      { code: 'port-taken', path: '/services/0/ports/0/published', message: 'port 8000/tcp is taken', fix: 'Publish another port.' },
    ];
    const { exitCode, err, out } = await run('apply -f site.yaml', () => refusal(400, 'unknown-field', 'x', problems));
    expect(exitCode).toBe(1);
    expect(out).toBe('');
    expect(err).toBe(`error: /services/0/colour: unknown field [unknown-field]
  at site.yaml:3:13
  3 |     colour: red
                  ^
  fix: Remove the field.
error: /services/0/ports/0/published: port 8000/tcp is taken [port-taken]
  at site.yaml:5:34
  5 |       - { target: 80, published: 8000 }
                                       ^
  fix: Publish another port.
2 problems; nothing was changed
`);
  });

  it('is one JSON object for a program', async () => {
    const problems = [{ code: 'port-taken', path: '/services/0/ports/0/published', message: 'taken', fix: 'f' }];
    const { exitCode, err } = await run('apply -f site.yaml --json', () => refusal(409, 'port-taken', 'taken', problems));
    expect(exitCode).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ error: { exitCode: 1, message: 'taken', problems: [{ code: 'port-taken', place: { line: 5, column: 34 } }] } });
  });

  it('does not point into the file when the fault is not in it', async () => {
    const problems = [{ code: 'store-unavailable', path: '', message: 'PostgreSQL cannot be reached', fix: 'Try again.' }];
    const { exitCode, err } = await run('apply -f site.yaml', () => refusal(503, 'store-unavailable', 'PostgreSQL cannot be reached', problems));
    expect(exitCode).toBe(1);
    expect(err).toBe('error: PostgreSQL cannot be reached [store-unavailable]\n  fix: Try again.\n');
  });

  it('says where a token goes', async () => {
    const { exitCode, err } = await run('get nodes', () =>
      refusal(401, 'unauthorized', 'a token is required', [{ code: 'unauthorized', path: '', message: 'a token is required', fix: 'Send the header' }]),
    );
    expect(exitCode).toBe(1);
    expect(err).toBe('error: a token is required [unauthorized]\n  fix: Pass the token of this control plane with --token or PORTOLAN_TOKEN.\n');
  });
});

describe('a wait that times out ends with 4', () => {
  it('after the change was shown', async () => {
    const { exitCode, out, err, received } = await run('apply -f site.yaml --wait --timeout 0.1', ({ method }) =>
      method === 'PUT'
        ? { body: { revision: 3, changed: true, changes: [{ action: 'create', kind: 'service', name: 'web' }] } }
        : refusal(504, 'wait-timeout', 'node b is down'),
    );
    expect(exitCode).toBe(4);
    expect(out).toContain('revision 3: 1 created');
    expect(err).toBe('error: node b is down\n  fix: The change is committed. See which node is behind with: portolan status\n');
    expect(received.at(-1)).toMatchObject({ path: '/v1/clusters/c1/wait', query: { revision: '3', timeout: '0.1' } });
  });
});

describe('what is sent', () => {
  const attached = { body: { name: 'x', service: 's', node: 'n', addresses: [] }, status: 201, headers: { 'portolan-revision': '9' } };

  it.each([
    ['--netns /run/netns/web.1', { name: 'web.1', attachment: { netns: '/run/netns/web.1' } }],
    ['--pid 4711', { name: 's.4711', attachment: { pid: 4711 } }],
    ['--container web-1 --weight 3', { name: 'web-1', attachment: { container: 'web-1' }, weight: 3 }],
    ['--pid 7 --name mine --address net=10.0.0.9', { name: 'mine', attachment: { pid: 7 }, addresses: [{ network: 'net', address: '10.0.0.9' }] }],
  ])('endpoint attach %s', async (words, spec) => {
    const { exitCode, received, out } = await run(`endpoint attach --service s --node n ${words}`, () => attached);
    expect(exitCode).toBe(0);
    expect(out).toContain('revision 9');
    expect(received).toMatchObject([{ method: 'POST', path: '/v1/clusters/c1/endpoints' }]);
    expect(received[0]?.body).toEqual({ service: 's', node: 'n', ...spec });
  });

  it('the token, and names that are safe in a path', async () => {
    const { received } = await run('describe node a/b --token secret', () => ({ body: {} }));
    expect(received).toMatchObject([{ path: '/v1/clusters/c1/nodes/a%2Fb', authorization: 'Bearer secret' }]);
  });

  it('follows every page of a list', async () => {
    const { out, received } = await run('get clusters --json', ({ query }) => ({
      body: query.cursor === undefined ? { items: [{ name: 'a' }], nextCursor: 'a' } : { items: [{ name: 'b' }], nextCursor: null },
    }));
    expect(JSON.parse(out)).toEqual([{ name: 'a' }, { name: 'b' }]);
    expect(received).toHaveLength(2);
  });

  it('takes the only cluster, and asks where there are more or none', async () => {
    const clusters = (names: readonly string[]) => (request: Received) =>
      request.path === '/v1/clusters' ? { body: { items: names.map((name) => ({ name })), nextCursor: null } } : { body: { items: [], nextCursor: null } };
    const none = { PORTOLAN_CLUSTER: '' };
    expect((await run('get nodes', clusters(['only']), none)).received.at(-1)?.path).toBe('/v1/clusters/only/nodes');
    expect(await run('get nodes', clusters(['a', 'b']), none)).toMatchObject({ exitCode: 2, err: expect.stringContaining('--cluster') as unknown });
    expect(await run('get nodes', clusters([]), none)).toMatchObject({ exitCode: 1, err: expect.stringContaining('portolan cluster create') as unknown });
  });
});
