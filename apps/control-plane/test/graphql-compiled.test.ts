import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, expect, it } from 'vitest';
import { type Json, startTestPlane, type TestPlane } from './test-plane.js';

// A query that is asked again is compiled: it must answer as it did at first, faults included.

let plane: TestPlane;
beforeEach(async () => {
  // Without its tasks nothing moves by itself.
  plane = await startTestPlane({ start: false });
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
});

async function ask(body: object) {
  const { status, body: answer } = await plane.send('POST', '/graphql', body);
  return { status, answer };
}

/** Without the words for a fault of a variable, which are the compiler's own. */
function judged({ status, answer }: Awaited<ReturnType<typeof ask>>): object {
  const errors = (answer.errors ?? []) as unknown as readonly Json[];
  return { status, data: answer.data, errors: errors.map(({ path, extensions }) => ({ path, code: extensions?.code, status: extensions?.status })) };
}

it.each([
  [
    'fragments and aliases',
    { query: '{ a: cluster(name: "lab") { ...f } b: cluster(name: "lab") { __typename ...f } } fragment f on Cluster { name revision }' },
  ],
  ['an error below', { query: '{ cluster(name: "lab") { name node(name: "none") { name } job(id: "x") { id } } }' }],
  ['an error at the root', { query: '{ cluster(name: "none") { name } }' }],
  ['a mutation that is refused', { query: 'mutation { createNetwork(cluster: "lab", spec: {name: "x", subnet: "10.0.0.1/24"}) { name } }' }],
  ['no variable where one is needed', { query: 'query ($n: String!) { cluster(name: $n) { name } }', variables: {} }],
  ['a variable of another type', { query: 'query ($n: Int) { cluster(name: "lab") { nodes(limit: $n) { name } } }', variables: { n: 'x' } }],
  ['directives', { query: 'query ($y: Boolean!) { cluster(name: "lab") { name @skip(if: $y) revision @include(if: $y) } }', variables: { y: true } }],
  ['introspection', { query: '{ __schema { queryType { name fields { name } } } }' }],
])('%s', async (_what, body) => {
  const first = judged(await ask(body));
  for (let again = 0; again < 3; again++) expect(judged(await ask(body))).toEqual(first);
});

it('answers with the operation that is named, of a document with several', async () => {
  const query = 'query One { cluster(name: "lab") { name } } query Two { cluster(name: "lab") { revision } }';
  for (let again = 0; again < 3; again++) {
    expect(await ask({ query, operationName: 'One' })).toEqual({ status: 200, answer: { data: { cluster: { name: 'lab' } } } });
    expect(await ask({ query, operationName: 'Two' })).toEqual({ status: 200, answer: { data: { cluster: { revision: 1 } } } });
  }
});
