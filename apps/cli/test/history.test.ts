import { expect, it } from 'vitest';
import { runScripted } from './scripted.js';

it('history says who changed what, when and from where', async () => {
  const row = { revision: 8, actor: 'ann', from: '192.0.2.7', summary: 'apply manifest', createdAt: '2026-01-01T00:00:00.000Z', changes: [{}, {}] };
  const { out } = await runScripted('history', () => ({
    body: { items: [row, { ...row, revision: 7, actor: 'agent:node-1', from: null }], nextCursor: null },
  }));
  expect(out).toBe(`REVISION  WHEN                      WHO           FROM       WHAT            CHANGES
       8  2026-01-01T00:00:00.000Z  ann           192.0.2.7  apply manifest        2
       7  2026-01-01T00:00:00.000Z  agent:node-1  -          apply manifest        2
`);
});

it('diff is shown like one', async () => {
  const objects = [
    { action: 'create', kind: 'service', name: 'api', fields: [{ path: '/scheduler', before: null, after: 'rr' }] },
    {
      action: 'change',
      kind: 'service',
      name: 'web',
      fields: [
        { path: '/scheduler', before: 'rr', after: 'wrr' },
        { path: '/ports', before: [], after: [{ target: 80, published: 8000 }] },
      ],
    },
    { action: 'delete', kind: 'endpoint', name: 'web.1', fields: [{ path: '/weight', before: 1, after: null }] },
  ];
  const { out, received } = await runScripted('diff 3 5', () => ({ body: { from: 3, to: 5, objects } }));
  expect(received).toMatchObject([{ path: '/v1/clusters/c/diff', query: { from: '3', to: '5' } }]);
  expect(out).toBe(`--- revision 3
+++ revision 5

+ service api
+   /scheduler: rr

~ service web
-   /scheduler: rr
+   /scheduler: wrr
-   /ports: []
+   /ports: [ { target: 80, published: 8000 } ]

- endpoint web.1
-   /weight: 1
`);
  expect((await runScripted('diff 3', () => ({ body: { from: 3, to: 5, objects: [] } }))).out).toBe('nothing differs between revision 3 and revision 5\n');
});

it('export prints the manifest as it was wanted', async () => {
  const { out, received } = await runScripted('export --revision 4', () => ({ body: { nodes: [{ name: 'a', address: '192.0.2.1' }] } }));
  expect(received).toMatchObject([{ path: '/v1/clusters/c/manifest', query: { revision: '4' } }]);
  expect(out).toBe('nodes:\n  - name: a\n    address: 192.0.2.1\n');
});
