import { type GraphQLField, getNamedType, isObjectType } from 'graphql';
import { expect, it } from 'vitest';
import { roleOf } from '../src/graphql/authorisation.js';
import { graphqlSchema } from '../src/graphql/schema.js';
import { BOOTSTRAP, bootstrap, startSecurePlane } from './secure-plane.js';
import { eventually, openapiDocument, startTestPlane } from './test-plane.js';

// Whatever REST can do GraphQL can.

/** Where what an operation of REST reads is in GraphQL. What changes something is a mutation of the operation's own name. */
const reads: Readonly<Record<string, string>> = {
  listClusters: 'clusters',
  getCluster: 'cluster.settings',
  getManifest: 'cluster.manifest',
  listNodes: 'cluster.nodes',
  getNode: 'cluster.node',
  getNodeState: 'cluster.node.state',
  getObservedState: 'cluster.node.observed',
  getNodeDrift: 'cluster.node.drift',
  listNetworks: 'cluster.networks',
  getNetwork: 'cluster.network',
  listServices: 'cluster.services',
  getService: 'cluster.service',
  getServiceTraffic: 'cluster.service.traffic',
  listProgrammed: 'cluster.service.programmed',
  listEndpoints: 'cluster.endpoints',
  getEndpoint: 'cluster.endpoint',
  getFlannel: 'cluster.flannel.spec',
  getFlannelStatus: 'cluster.flannel.status',
  listChangesets: 'cluster.changesets',
  getChangeset: 'cluster.changeset',
  getDifference: 'cluster.difference',
  listPools: 'cluster.pools',
  getClusterStatus: 'cluster.status',
  listFindings: 'cluster.findings',
  waitForRevision: 'waitForRevision',
  listJobs: 'cluster.jobs',
  getJob: 'cluster.job',
  listRevisions: 'cluster.revisions',
  listDrift: 'cluster.drift',
  explainFlow: 'cluster.explain',
  listReach: 'cluster.reach',
  listChangesetFlows: 'cluster.changesetFlows',
  listTokens: 'tokens',
  listRefusals: 'refusals',
  listNodeCredentials: 'nodeCredentials',
  listJoinTokens: 'joinTokens',
};

/** What GraphQL need not do, and why. */
const restAlone: Readonly<Record<string, string>> = {
  getAgentState: 'agents speak a protocol of their own, with versions',
  postReport: 'agents speak a protocol of their own, with versions',
  postTraffic: 'agents speak a protocol of their own, with versions',
  renewCredentials: 'an agent renews its certificate by the certificate',
  join: 'a host that joins has no credentials yet, and /graphql needs some',
  getAuthority: 'a host that joins has no credentials yet, and /graphql needs some',
};

/** Arguments of GraphQL by the parameters of REST that are called otherwise. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  cursor: ['cursor', 'after', 'before'],
  'if-match': ['ifVersion', 'ifRevision'],
  at: ['at', 'revision'],
};

interface Operation {
  readonly operationId: string;
  readonly 'x-needs': string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}

const schema = graphqlSchema();

function fieldAt(path: string): GraphQLField<unknown, unknown> | undefined {
  let type = schema.getQueryType() as ReturnType<typeof getNamedType> | null | undefined;
  let field: GraphQLField<unknown, unknown> | undefined;
  for (const name of path.split('.')) {
    field = isObjectType(type) ? type.getFields()[name] : undefined;
    type = field === undefined ? undefined : getNamedType(field.type);
  }
  return field;
}

it('every operation of REST has its field in GraphQL, which needs the same role and takes the same parameters', async () => {
  const plane = await startTestPlane();
  const operations = Object.entries(openapiDocument(plane.app).paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([, methods]) => Object.values(methods) as unknown as readonly Operation[]);
  expect(operations.length).toBeGreaterThan(60);
  const missing: string[] = [];
  for (const { operationId, 'x-needs': needs, parameters = [] } of operations) {
    if (restAlone[operationId] !== undefined) continue;
    const path = reads[operationId];
    const field = path === undefined ? schema.getMutationType()?.getFields()[operationId] : fieldAt(path);
    if (field === undefined) {
      missing.push(`${operationId} has no field: make a mutation of this name, or say in this test which query reads the same`);
      continue;
    }
    const role = path === undefined ? roleOf('mutation', operationId) : roleOf('query', path.split('.')[0] ?? '');
    if (role !== needs) missing.push(`${operationId} needs ${needs}, but ${path ?? operationId} needs ${role}`);
    const taken = new Set(
      [field, ...(path?.includes('.') === true ? [fieldAt('cluster.node')] : [])].flatMap((one) => one?.args.map(({ name }) => name) ?? []),
    );
    for (const { name, in: where } of parameters) {
      if (where === 'path' || (path !== undefined && name === 'if-none-match')) continue;
      if (!(otherNames[name] ?? [name]).some((other) => taken.has(other)))
        missing.push(`${path ?? operationId} has no argument for the parameter ${name} of ${operationId}`);
    }
  }
  expect(missing).toEqual([]);
  const known = new Set(operations.map(({ operationId }) => operationId));
  expect(Object.keys(restAlone).filter((id) => !known.has(id))).toEqual([]);
});

it('tokens are made, shown without their secret, used and revoked', async () => {
  const plane = await startTestPlane({ token: BOOTSTRAP });
  await plane.send('POST', '/v1/clusters', { name: 'lab' }, bootstrap);
  const ask = async (query: string, headers: Record<string, string> = bootstrap) => plane.send('POST', '/graphql', { query }, headers);
  const { body: made } = await ask('mutation { createToken(name: "anna", role: operator, clusters: ["lab"], ttl: 600) { id token } }');
  const { id, token } = made.data?.createToken ?? {};
  const anna = { authorization: `Bearer ${token}` };
  const { body: shown } = await ask('{ tokens { id name role clusters createdBy expiresAt revokedAt } }');
  expect(shown.data?.tokens).toEqual([
    { id, name: 'anna', role: 'operator', clusters: ['lab'], createdBy: 'graphql', expiresAt: expect.any(String), revokedAt: null },
  ]);
  expect((await plane.send('GET', '/v1/tokens', undefined, bootstrap)).body.items?.[0]?.id).toBe(id);
  expect((await ask('{ cluster(name: "lab") { name } }', anna)).body).toMatchObject({ data: { cluster: { name: 'lab' } } });
  for (const query of [
    '{ tokens { id } }',
    '{ refusals { path } }',
    '{ joinTokens(cluster: "lab") { id } }',
    '{ nodeCredentials(cluster: "lab", name: "x") { id } }',
  ]) {
    expect((await ask(query, anna)).body).toMatchObject({ errors: [{ extensions: { code: 'forbidden' } }] });
  }
  for (const mutation of [
    'createToken(name: "x", role: viewer) { id }',
    `revokeToken(id: "${id}")`,
    'createJoinToken(cluster: "lab") { id }',
    'revokeJoinToken(cluster: "lab", id: "x")',
    'revokeNode(cluster: "lab", name: "x")',
  ]) {
    expect((await ask(`mutation { ${mutation} }`, anna)).body).toMatchObject({ errors: [{ extensions: { code: 'forbidden' } }] });
  }
  expect((await ask(`mutation { revokeToken(id: "${id}") }`)).body).toMatchObject({ data: { revokeToken: true } });
  expect((await ask('{ cluster(name: "lab") { name } }', anna)).status).toBe(401);
  expect((await ask(`mutation { revokeToken(id: "${id}") }`)).body).toMatchObject({ errors: [{ extensions: { code: 'not-found' } }] });
  expect((await ask('mutation { createToken(name: "no way", role: viewer) { id } }')).body).toMatchObject({
    errors: [{ extensions: { code: 'invalid-document' } }],
  });
});

it('a host joins by a token, and is cut off', async () => {
  const plane = await startSecurePlane();
  const ask = async (query: string) => (await plane.send('POST', '/graphql', { query }, bootstrap)).body;
  const { data } = await ask('mutation { createJoinToken(cluster: "lab", role: manager, uses: 2) { id token expiresAt } }');
  const { id, token } = data?.createJoinToken ?? {};
  expect((await plane.join('node1', '192.0.2.1', String(token))).status).toBe(201);
  expect((await ask('{ joinTokens(cluster: "lab") { id role usesLeft revokedAt } }')).data?.joinTokens).toEqual([
    { id, role: 'manager', usesLeft: 1, revokedAt: null },
  ]);
  const held = '{ nodeCredentials(cluster: "lab", name: "node1") { id fingerprint revokedAt } }';
  expect((await ask(held)).data?.nodeCredentials).toMatchObject([{ revokedAt: null }]);
  expect((await ask('mutation { revokeNode(cluster: "lab", name: "node1") }')).data?.revokeNode).toBe(1);
  expect((await ask(held)).data?.nodeCredentials).toMatchObject([{ revokedAt: expect.any(String) }]);
  expect((await ask(`mutation { revokeJoinToken(cluster: "lab", id: "${id}") }`)).data?.revokeJoinToken).toBe(true);
  expect((await plane.join('node2', '192.0.2.2', String(token))).status).toBe(403);
  await eventually(async () => expect(JSON.stringify(await ask('{ refusals { path reason } }'))).toContain('join-token'));
});

it('a revision is waited for', async () => {
  const plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  const ask = (query: string) => plane.send('POST', '/graphql', { query });
  expect((await ask('{ waitForRevision(cluster: "lab") { appliedRevision } }')).body).toEqual({ data: { waitForRevision: { appliedRevision: 0 } } });
  await plane.send('PUT', '/v1/clusters/lab/manifest', { nodes: [{ name: 'node1', address: '192.0.2.1' }] });
  expect((await ask('{ waitForRevision(cluster: "lab", revision: 1, timeout: 0) { appliedRevision } }')).body).toMatchObject({
    errors: [{ extensions: { code: 'wait-timeout' } }],
  });
});
