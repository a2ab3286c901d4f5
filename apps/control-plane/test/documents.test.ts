import { bjdtManifest } from '@portolan/testkit';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { openapiDocument, startTestPlane } from './test-plane.js';

it('the OpenAPI document is valid, and every operation has an id, a summary, a tag and its errors', async () => {
  const plane = await startTestPlane();
  const document = openapiDocument(plane.app) as unknown as Record<string, unknown> & ReturnType<typeof openapiDocument>;
  expect((await plane.app.inject('/docs/json')).json()).toEqual(JSON.parse(JSON.stringify(document)));
  const validated = await new Validator().validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>);
  expect(validated.errors ?? []).toEqual([]);
  expect(document.openapi).toBe('3.1.0');

  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const ids = operations.map((operation) => (operation as { operationId?: string }).operationId);
  expect(operations.length).toBeGreaterThan(35);
  expect(ids).not.toContain(undefined);
  expect(new Set(ids).size).toBe(ids.length);
  for (const operation of operations) {
    expect(operation).toMatchObject({ summary: expect.any(String), tags: [expect.any(String)] });
    for (const status of ['400', '401', '500', '503']) {
      expect(Object.keys(operation.responses[status]?.content ?? {}), `${operation.method} ${operation.path}`).toEqual(['application/problem+json']);
    }
  }
});

it('every route below /v1 is in the document', async () => {
  const plane = await startTestPlane();
  const routes = plane.app.printRoutes({ commonPrefix: false });
  expect(routes).toContain('manifest');
  for (const collection of ['nodes', 'networks', 'services', 'endpoints']) {
    const paths = openapiDocument(plane.app).paths;
    expect(Object.keys(paths[`/v1/clusters/{cluster}/${collection}`] ?? {}).sort()).toEqual(['get', 'post']);
    expect(Object.keys(paths[`/v1/clusters/{cluster}/${collection}/{name}`] ?? {}).sort()).toEqual(['delete', 'get', 'patch', 'put']);
  }
});

it('the pages for people come from this host alone', async () => {
  const plane = await startTestPlane();
  const page = await plane.app.inject('/graphiql');
  expect(page.headers['content-type']).toContain('text/html');
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
  expect(files).toHaveLength(5);
  for (const file of files) {
    expect(file).toMatch(/^\/graphiql\//);
    const response = await plane.app.inject(file);
    expect(response.statusCode).toBe(200);
    expect(response.body.length).toBeGreaterThan(200);
  }
  expect((await plane.app.inject('/docs/')).statusCode).toBe(200);
});

it('the metrics tell revisions, nodes, outbox, jobs and requests', async () => {
  const plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await plane.send('PUT', '/v1/clusters/lab/manifest', bjdtManifest);
  await expect
    .poll(async () => (await plane.app.inject('/metrics')).body)
    .toSatisfy((text: string) =>
      [
        'portolan_commits_total{cluster="lab"} 1',
        'portolan_revision{cluster="lab",stage="intent"} 1',
        'portolan_revision{cluster="lab",stage="computed"} 1',
        'portolan_revision{cluster="lab",stage="applied"} 0',
        'portolan_node_states_computed_total{cluster="lab"} 3',
        'portolan_nodes{cluster="lab",state="down"} 3',
        'portolan_outbox_messages 0',
        'portolan_jobs{status="queued"} 3',
        'portolan_http_request_seconds_count{method="PUT",route="/v1/clusters/:cluster/manifest",status="200"} 1',
      ].every((line) => text.includes(line)),
    );
});
