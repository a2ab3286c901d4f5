import { readFileSync } from 'node:fs';
import { agentHeaders, type DesiredState, type Report } from '@portolan/protocol';
import { openMemoryStore } from '@portolan/store/memory';
import { describe, expect, it } from 'vitest';
import { refusalOfAgentV3, watchFieldsV3 } from '../../../packages/protocol/test/v3/wire.js';
import { RELEASE } from '../src/application/release.js';
import { eventually, startTestPlane } from './test-plane.js';

const recorded = JSON.parse(readFileSync(new URL('../../../packages/protocol/test/v3/reports.json', import.meta.url), 'utf8')) as readonly Report[];
const [failed, , applied] = recorded;
if (failed === undefined || applied === undefined) throw new Error('nothing recorded');
const state = '/v1/agents/lab/node1/state';
const reports = '/v1/agents/lab/node1/reports';
const speaking = (version: number | string) => ({ [agentHeaders.protocol]: String(version) });

/** A cluster whose first node holds something that protocol 3 does not know. */
async function lab() {
  const store = openMemoryStore();
  const plane = await startTestPlane({ store });
  const made = async (url: string, body: object): Promise<void> => expect((await plane.send('POST', url, body)).status).toBe(201);
  await made('/v1/clusters', { name: 'lab', settings: { driftPolicy: 'report' } });
  await made('/v1/clusters/lab/nodes', { name: 'node1', address: '192.0.2.1' });
  await made('/v1/clusters/lab/networks', { name: 'ingress', ingress: true });
  await made('/v1/clusters/lab/services', { name: 'web', ports: [{ published: 8000, target: 80 }] });
  await made('/v1/clusters/lab/endpoints', { name: 'web.1', service: 'web', node: 'node1', attachment: { netns: '/run/netns/web.1' } });
  const [node] = (await store.snapshot('lab')).nodes.values();
  const nodeId = node?.id ?? '';
  const progress = async () => (await store.progress((await store.snapshot('lab')).cluster.id, nodeId))[0];
  async function settled(): Promise<void> {
    await eventually(async () => expect((await progress())?.computedRevision).toBe((await store.snapshot('lab')).cluster.revision));
  }
  await settled();
  // It is sent traffic once an agent has seen it, and only then there is a port to dial.
  const { generation, revision, state: seen } = (await plane.send('GET', state)).body as unknown as DesiredState;
  const endpoints = Object.fromEntries(Object.keys(seen.endpoints).map((id) => [id, 'present']));
  const report = { ...applied, endpoints, generation, revision, stateHash: seen.hash, protocol: 4 };
  expect((await plane.send('POST', reports, report)).status).toBe(200);
  await settled();
  return { ...plane, settled, progress, endpoints };
}

describe('an agent of the release before', () => {
  it('is told a state that it knows all of, and its reports are taken: of that state they move the applied revision', async () => {
    const { send, progress, endpoints } = await lab();
    const ours = (await send('GET', state, undefined, speaking(4))).body as unknown as DesiredState;
    expect(ours.protocol).toBe(4);
    expect(Object.keys(ours.state.watch)).toEqual(expect.arrayContaining(['driftPolicy']));

    const answer = await send('GET', state, undefined, speaking(3));
    const theirs = answer.body as unknown as DesiredState;
    expect(refusalOfAgentV3(theirs)).toBeUndefined();
    expect(Object.keys(theirs.state.watch).filter((field) => !watchFieldsV3.includes(field))).toEqual([]);
    expect(theirs).toMatchObject({ nodeId: ours.nodeId, generation: ours.generation, revision: ours.revision });
    expect(theirs.state.objects).toEqual(ours.state.objects);
    expect(theirs.state.hash).not.toBe(ours.state.hash);
    expect(answer.headers.etag).toBe(`"${theirs.state.hash}"`);

    // It asks with the hash that it was told, and another version with that hash has another state.
    const again = await send('GET', state, undefined, { ...speaking(3), 'if-none-match': `"${theirs.state.hash}"` });
    expect(again.status).toBe(304);
    expect(again.headers).toMatchObject({ [agentHeaders.generation]: String(ours.generation), [agentHeaders.protocol]: '3' });
    expect((await send('GET', state, undefined, { ...speaking(4), 'if-none-match': `"${theirs.state.hash}"` })).status).toBe(200);
    expect((await send('GET', state, undefined, { ...speaking(4), 'if-none-match': `"${ours.state.hash}"` })).headers).toMatchObject({
      [agentHeaders.protocol]: '4',
    });

    const { generation, revision } = theirs;
    expect((await progress())?.appliedRevision).toBeLessThan(revision);
    expect((await send('POST', reports, { ...failed, endpoints, generation, revision, stateHash: theirs.state.hash })).status).toBe(200);
    expect(await progress()).toMatchObject({ lastStatus: 'failed' });
    expect((await progress())?.appliedRevision).toBeLessThan(revision);
    // What it did not apply does not count because it says so.
    await send('POST', reports, { ...applied, endpoints, generation, revision, stateHash: 'another' });
    expect((await progress())?.appliedRevision).toBeLessThan(revision);
    const taken = await send('POST', reports, { ...applied, endpoints, generation, revision, stateHash: theirs.state.hash });
    expect(taken.body).toMatchObject({ generation });
    expect(await progress()).toMatchObject({ lastStatus: 'applied', appliedRevision: revision, facts: { portolan: '0.1.0, protocol 3' } });
    const status = await send('GET', '/v1/clusters/lab/status');
    expect(JSON.stringify(status.body)).toContain('"portolan":"0.1.0, protocol 3"');

    for (const report of recorded) {
      const { status: code, body } = await send('POST', reports, report);
      expect([code, body.wantsObjects]).toEqual([200, report.observed.objects === undefined]);
    }
  });
});

describe('agents of other releases', () => {
  it('are refused before anything else is looked at, with what to install; without a version they are answered in the newest', async () => {
    const { send } = await lab();
    const others: readonly (readonly [version: number, fix: string])[] = [
      [2, `Install the agent of release ${RELEASE}`],
      [5, 'Bring the control plane to the release of the agent first'],
    ];
    for (const [version, fix] of others) {
      const asked = await send('GET', state, undefined, speaking(version));
      const told = await send('POST', reports, { protocol: version, somethingElse: true });
      for (const { status, body } of [asked, told]) {
        expect(status).toBe(426);
        expect(body).toMatchObject({ code: 'protocol-unsupported', detail: expect.stringContaining(`release ${RELEASE}`), fix: expect.stringContaining(fix) });
        expect(String(body.detail)).toContain('3 to 4');
      }
    }
    expect((await send('GET', state, undefined, speaking('x'))).status).toBe(426);
    expect((await send('GET', state)).body).toMatchObject({ protocol: 4 });
    const refused = await send('POST', reports, { ...applied, signals: { ...applied.signals, mood: 'good' } });
    expect(refused.body).toMatchObject({ code: 'unknown-field', path: '/signals/mood' });
  });
});
