import { bjdtManifest, dataPlaneManifest, manifestArbitrary } from '@portolan/testkit';
import fc from 'fast-check';
import { createClient } from 'graphql-ws';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { listenOn } from '../src/index.js';
import { runAgents } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

let plane: TestPlane;

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
});

async function query(text: string, variables: Record<string, unknown> = {}): Promise<{ data: Json; errors: Json }> {
  const { body } = await plane.send('POST', '/graphql', { query: text, variables });
  return body as unknown as { data: Json; errors: Json };
}

describe('reading', () => {
  it('follows the relations of one snapshot', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
    const { data, errors } = await query(`{
      cluster(name: "lab") {
        revision
        service(name: "bjdt_bjdt-dzwl") {
          networks { network { name vni } vip mark }
          ports { published target protocol }
          endpoints { name node { name status { appliedRevision alive } } addresses { network { name } } attachment { netns pid } }
          nodes { name }
        }
        networks { name ingress services { name } nodes { name } endpoints { name } }
        endpoints(node: "node3") { service { name } presence }
        nodes(limit: 1, after: "node1") { name role availability loadBalancers { network { name } address } endpoints { name } }
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data.cluster).toMatchObject({
      revision: 1,
      service: {
        networks: expect.arrayContaining([{ network: { name: 'bjdt_overlay', vni: 4097 }, vip: '10.0.0.20', mark: 329 }]),
        ports: [{ published: 8080, target: 8080, protocol: 'tcp' }],
        nodes: [{ name: 'node1' }, { name: 'node2' }, { name: 'node3' }],
      },
      endpoints: [{ service: { name: 'bjdt_bjdt-dzwl' }, presence: 'unknown' }],
      nodes: [{ name: 'node2', role: 'worker', availability: 'active', endpoints: [{}, {}] }],
    });
    expect(data.cluster?.service?.endpoints).toHaveLength(3);
  });

  it('shows progress: status, jobs, revisions, state, drift, manifest', async () => {
    await runAgents(plane, 'lab', ['node1', 'node2', 'node3']);
    await plane.send('PUT', '/v1/clusters/lab/manifest?wait=applied', bjdtManifest);
    await plane.send('GET', '/v1/clusters/lab/wait');
    const { data, errors } = await query(`{
      cluster(name: "lab") {
        status { intentRevision computedRevision appliedRevision nodes { name lastStatus lastErrors { code } } }
        revisions(limit: 100) { revision actor changes { action kind name } }
        wishes: revisions(wishes: true) { revision actor }
        jobs(status: applied, node: "node1") { id node plan { steps { action key reason } } report { status } }
        node(name: "node1") { state { generation hash objects { key kind body } } observed { hash objects { key } } drift { steps { key } } jobs { id } }
        manifest findings
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data.cluster).toMatchObject({
      status: { nodes: [{ name: 'node1', lastStatus: 'applied', lastErrors: [] }, {}, {}] },
      jobs: expect.arrayContaining([expect.objectContaining({ node: 'node1', report: null })]),
      node: { drift: { steps: [] } },
    });
    // What agents have seen is no wish.
    expect(data.cluster?.wishes).toEqual([{ revision: expect.any(Number), actor: 'rest' }]);
    expect(data.cluster?.revisions).toContainEqual(expect.objectContaining({ actor: 'agent:node1' }));
    const id = String(data.cluster?.jobs?.[0]?.id);
    expect((await query('query ($id: ID!) { cluster(name: "lab") { job(id: $id) { report { status agentVersion } } } }', { id })).data.cluster?.job).toEqual({
      report: { status: 'applied', agentVersion: 'simulated' },
    });
    expect((await plane.send('PUT', '/v1/clusters/lab/manifest', data.cluster?.manifest)).body.changed).toBe(false);
  });
});

describe('changing', () => {
  it('goes through create, replace, patch and delete of every noun', async () => {
    const mutate = async (text: string) => {
      const { data, errors } = await query(`mutation { ${text} }`);
      expect(errors).toBeUndefined();
      return data;
    };
    expect(await mutate('createNode(cluster: "lab", spec: {name: "n1", address: "172.16.130.1", role: manager}) { name version role }')).toEqual({
      createNode: { name: 'n1', version: 1, role: 'manager' },
    });
    await mutate('createNetwork(cluster: "lab", spec: {name: "overlay", subnet: "10.9.0.0/24"}) { vni }');
    await mutate('createNetwork(cluster: "lab", spec: {name: "ingress", ingress: true}) { vni }');
    await mutate('createService(cluster: "lab", spec: {name: "web", networks: [{network: "overlay"}], ports: [{target: 80, published: 8000}]}) { name }');
    await mutate('createEndpoint(cluster: "lab", spec: {name: "web.1", service: "web", node: "n1", attachment: {container: "web-1"}}) { name }');
    expect(await mutate('patchService(cluster: "lab", name: "web", patch: {scheduler: wrr, labels: {tier: "x"}}, ifVersion: 1) { scheduler labels }')).toEqual({
      patchService: { scheduler: 'wrr', labels: { tier: 'x' } },
    });
    expect(
      await mutate('patchEndpoint(cluster: "lab", name: "web.1", patch: {attachment: {container: null, pid: 77}}) { attachment { container pid } }'),
    ).toEqual({
      patchEndpoint: { attachment: { container: null, pid: 77 } },
    });
    expect(
      await mutate('replaceService(cluster: "lab", name: "web", spec: {name: "web", networks: [{network: "overlay"}]}) { scheduler ports { published } }'),
    ).toEqual({
      replaceService: { scheduler: 'rr', ports: [] },
    });
    expect(
      await mutate('deleteEndpoint(cluster: "lab", name: "web.1") { revision changed changes { action kind name } cluster { endpoints { name } } }'),
    ).toMatchObject({
      deleteEndpoint: { changed: true, changes: expect.arrayContaining([{ action: 'delete', kind: 'endpoint', name: 'web.1' }]), cluster: { endpoints: [] } },
    });
    expect((await plane.send('GET', '/v1/clusters/lab/revisions?limit=1')).body.items).toMatchObject([{ actor: 'graphql', summary: 'delete endpoint web.1' }]);
  });

  it('applies manifests and settings, waits, and makes and deletes clusters', async () => {
    const apply = 'mutation ($m: JSON!, $dry: Boolean) { applyManifest(cluster: "lab", manifest: $m, dryRun: $dry) { revision changed changes { name } } }';
    expect((await query(apply, { m: bjdtManifest, dry: true })).data.applyManifest).toMatchObject({ revision: 0, changed: true });
    expect((await query(apply, { m: bjdtManifest })).data.applyManifest).toMatchObject({ revision: 1, changed: true });
    await runAgents(plane, 'lab', ['node1', 'node2', 'node3']);
    const patched = await query(
      'mutation { patchCluster(name: "lab", settings: {underlayMtu: 1400}, wait: true, timeout: 10) { revision cluster { settings status { appliedRevision } } } }',
    );
    expect(patched.data.patchCluster?.cluster?.settings).toMatchObject({ underlayMtu: 1400 });
    const made = await query('mutation { createCluster(name: "other", settings: {addressPools: ["10.20.0.0/16"]}) { name revision } }');
    expect(made.data.createCluster).toEqual({ name: 'other', revision: 0 });
    expect((await query('mutation { deleteCluster(name: "other") }')).data.deleteCluster).toBe(true);
    expect((await query('{ clusters { name } }')).data.clusters).toEqual([{ name: 'lab' }]);
  });
});

describe('errors', () => {
  it.each([
    ['{ cluster(name: "none") { name } }', 'not-found', '', 404],
    ['mutation { createNetwork(cluster: "lab", spec: {name: "x", subnet: "10.0.0.1/24"}) { name } }', 'host-bits-set', '/subnet', 400],
    ['mutation { applyManifest(cluster: "lab", manifest: {nodse: []}) { revision } }', 'unknown-field', '/nodse', 400],
    ['mutation { createNode(cluster: "lab", spec: {name: "x", adress: "1"}) { name } }', 'invalid-document', '', 400],
    ['{ clusters { nme } }', 'invalid-document', '', 400],
    ['{ clusters {', 'invalid-document', '', 400],
  ])('%s', async (text, code, path, status) => {
    const { errors } = await query(text);
    expect(errors[0]).toMatchObject({ message: expect.any(String), extensions: { code, path, status, fix: expect.any(String) } });
  });

  it('a wait that is over tells what is committed', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: bjdtManifest.nodes });
    const { errors } = await query('mutation { patchNode(cluster: "lab", name: "node1", patch: {role: worker}, wait: true, timeout: 0.1) { name } }');
    expect(errors[0]).toMatchObject({ message: expect.stringContaining('revision 2 is committed'), extensions: { code: 'wait-timeout', status: 504 } });
  });

  it('a query that is too deep is refused', async () => {
    const deep = `{ clusters { ${'services { endpoints { '.repeat(1)}${'service { endpoints { '.repeat(8)} name ${'} } '.repeat(8)}${'} } '} } }`;
    expect((await query(deep)).errors[0]).toMatchObject({ extensions: { code: 'query-too-complex' } });
  });
});

describe('subscriptions over graphql-transport-ws', () => {
  async function subscribe(text: string, connectionParams: Record<string, unknown> = {}): Promise<{ received: Json[]; failed: unknown[]; end: () => void }> {
    const [url = ''] = await listenOn(plane.app, [{ host: '127.0.0.1', port: 0 }]);
    const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams });
    const received: Json[] = [];
    const failed: unknown[] = [];
    const end = client.subscribe(
      { query: text },
      { next: (value) => received.push(value as unknown as Json), error: (error) => failed.push(error), complete: () => undefined },
    );
    onTestFinished(async () => {
      end();
      await client.dispose();
    });
    return { received, failed, end };
  }

  it('tell each move of a revision, first the present one', async () => {
    const { received } = await subscribe('subscription { revision(cluster: "lab") { intentRevision computedRevision appliedRevision } }');
    await eventually(() => expect(received[0]?.data?.revision).toEqual({ intentRevision: 0, computedRevision: 0, appliedRevision: 0 }));
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: bjdtManifest.nodes });
    await eventually(() => expect(received.at(-1)?.data?.revision).toEqual({ intentRevision: 1, computedRevision: 1, appliedRevision: 0 }));
    await runAgents(plane, 'lab', ['node1', 'node2', 'node3']);
    await eventually(() => expect(received.at(-1)?.data?.revision).toEqual({ intentRevision: 1, computedRevision: 1, appliedRevision: 1 }));
  });

  it('tell when an agent comes and goes', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: bjdtManifest.nodes?.slice(0, 1) });
    const { received } = await subscribe('subscription { nodeStatus(cluster: "lab") { name alive } }');
    await eventually(() => expect(received.at(-1)?.data?.nodeStatus).toEqual([{ name: 'node1', alive: false }]));
    const end = await plane.coordination.keepAlive('lab', 'node1', { version: '1', startedAt: '', pid: 1 });
    await eventually(() => expect(received.at(-1)?.data?.nodeStatus).toEqual([{ name: 'node1', alive: true }]));
    await end();
    await eventually(() => expect(received.at(-1)?.data?.nodeStatus).toEqual([{ name: 'node1', alive: false }]));
  });

  it('tell each job of a node as it is made and as it ends', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: bjdtManifest.nodes });
    await eventually(async () => expect((await plane.send('GET', '/v1/clusters/lab/jobs')).body.items).toHaveLength(3));
    const { received } = await subscribe('subscription { jobMoved(cluster: "lab", node: "node1") { node status revision plan { steps { key } } } }');
    await eventually(() => expect(received.at(-1)?.data?.jobMoved).toMatchObject([{ node: 'node1', status: 'queued', revision: 1 }]));
    await runAgents(plane, 'lab', ['node1']);
    await eventually(() => expect(received.at(-1)?.data?.jobMoved).toMatchObject([{ node: 'node1', status: 'applied' }]));
    await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
    await eventually(() =>
      expect(received.at(-1)?.data?.jobMoved).toMatchObject([
        { status: 'applied', revision: 2 },
        { status: 'applied', revision: 1 },
      ]),
    );
  });

  it('end when the server stops', async () => {
    const { received } = await subscribe('subscription { revision(cluster: "lab") { intentRevision } }');
    await eventually(() => expect(received).toHaveLength(1));
    const start = performance.now();
    await plane.stop();
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('need the token in a header or in the payload of connection_init', async () => {
    plane = await startTestPlane({ token: 'secret' });
    await plane.send('POST', '/v1/clusters', { name: 'lab' }, { authorization: 'Bearer secret' });
    const text = 'subscription { revision(cluster: "lab") { intentRevision } }';
    const refused = await subscribe(text, { authorization: 'Bearer wrong' });
    await eventually(() => expect(refused.failed).toHaveLength(1));
    expect(refused.received).toEqual([]);
  });

  it('are given with the token in the payload', async () => {
    plane = await startTestPlane({ token: 'secret' });
    await plane.send('POST', '/v1/clusters', { name: 'lab' }, { authorization: 'Bearer secret' });
    const given = await subscribe('subscription { revision(cluster: "lab") { intentRevision } }', { authorization: 'Bearer secret' });
    await eventually(() => expect(given.received).toHaveLength(1));
  });
});

const usage = '{ pool name networkId range size used retired free by }';
const everything = `query ($name: String!) { cluster(name: $name) {
  nodes { id version name role availability address condition underlayMtu underlayLink onLink labels }
  networks {
    id version name ingress vni subnet gateway extraSubnets { subnet gateway vni } mtu internal attachable dsr ipvsTimeouts { tcp tcpFin udp } labels
    effectiveMtu usage ${usage}
  }
  services {
    id version name endpointMode scheduler persistence drainSeconds labels
    healthCheck { kind port path intervalMs timeoutMs failures successes }
    networks { network { name } vip mark aliases }
    ports { published target protocol mode externalTrafficPolicy addresses interfaces }
  }
  endpoints {
    id version name service { name } node { name } weight labels attachment { netns pid container } addresses { network { name } address } aliases
    presence health traffic gatewayAddress flannel { address fixed } drain { revision deadline removes drained acknowledgedBy pending connections }
  }
  pools ${usage}
} }`;

/** Left out by REST where they are empty. */
const optionalLists = ['aliases', 'extraSubnets'];

/** The answer of GraphQL in the form of REST: a relation is the name of the other object. What is null or left out is the same. */
function asRest(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => asRest(item));
  if (typeof value !== 'object' || value === null) return value;
  if (['network', 'service', 'node'].includes(field) && 'name' in value) return value.name;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => inner !== null && !(name === 'labels' && Object.keys(inner as object).length === 0))
      .filter(([name, inner]) => !(optionalLists.includes(name) && Array.isArray(inner) && inner.length === 0))
      .map(([name, inner]) => [name, asRest(inner, name)]),
  );
}

/** REST parts the address that was chosen (in the spec) and the one that it has. */
function placeOf({ flannel, flannelAddress, ...item }: { flannel?: { address?: string }; flannelAddress?: string | null }): object {
  return flannel === undefined ? item : { ...item, flannel: { address: flannelAddress, fixed: flannel.address !== undefined } };
}

async function expectSameAtBothDoors(name: string): Promise<void> {
  const { data, errors } = await query(everything, { name });
  expect(errors).toBeUndefined();
  for (const kind of ['nodes', 'networks', 'services', 'endpoints', 'pools']) {
    const { body } = await plane.send('GET', `/v1/clusters/${name}/${kind}`);
    const rest = (body.items as unknown as object[]).map(({ status: _status, ...item }: { status?: unknown }) => item);
    // An endpoint by itself names its networks; GraphQL relates every endpoint to its networks. What an endpoint has of flannel has a form of its own in GraphQL.
    const own = kind === 'endpoints' ? rest.map(({ networks: _networks, ...item }: { networks?: unknown }) => placeOf(item)) : rest;
    expect(asRest(data.cluster?.[kind])).toEqual(asRest(own));
  }
}

describe('REST and GraphQL read the same', () => {
  it('of any cluster', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(manifestArbitrary(), async (manifest) => {
        const name = `c${number++}`;
        await plane.send('POST', '/v1/clusters', { name });
        const applied = await plane.send('PUT', `/v1/clusters/${name}/manifest`, manifest);
        expect(applied.body).toMatchObject({ revision: 1 });
        await expectSameAtBothDoors(name);
        // The registry of its flannel network is nobody else's while it is there.
        await plane.send('DELETE', `/v1/clusters/${name}`);
      }),
      { numRuns: 25 },
    );
  });

  it('of a cluster with one of everything, while an endpoint leaves', async () => {
    await plane.send('PUT', '/v1/clusters/lab/manifest', dataPlaneManifest);
    const { items } = (await plane.send('GET', '/v1/clusters/lab/endpoints')).body;
    const [first] = items as unknown as { name: string }[];
    expect((await plane.send('POST', `/v1/clusters/lab/endpoints/${first?.name}/drain`, { seconds: 600 })).status).toBe(200);
    await eventually(() => expectSameAtBothDoors('lab'));
  });
});
