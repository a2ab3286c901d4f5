import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';

const require = createRequire(import.meta.url);

/** Served from the installed packages: a laboratory has no way to a CDN. */
const files = {
  'react.js': { from: require.resolve('react/package.json'), file: 'umd/react.production.min.js', type: 'text/javascript' },
  'react-dom.js': { from: require.resolve('react-dom/package.json'), file: 'umd/react-dom.production.min.js', type: 'text/javascript' },
  'graphiql.js': { from: require.resolve('graphiql/package.json'), file: 'graphiql.min.js', type: 'text/javascript' },
  'graphiql.css': { from: require.resolve('graphiql/package.json'), file: 'graphiql.min.css', type: 'text/css' },
} as const;

const firstQuery = `# Portolan: everything below /v1 can be read here too.
query Clusters {
  clusters {
    name
    revision
    status {
      intentRevision
      computedRevision
      appliedRevision
    }
    services {
      name
      networks { vip mark }
      ports { published target }
      endpoints { name node { name } }
    }
  }
}
`;

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Portolan GraphiQL</title>
<style>body, #graphiql { height: 100vh; margin: 0 }</style>
<link rel="stylesheet" href="/graphiql/graphiql.css">
<script src="/graphiql/react.js"></script>
<script src="/graphiql/react-dom.js"></script>
<script src="/graphiql/graphiql.js"></script>
</head>
<body>
<div id="graphiql"></div>
<script src="/graphiql/start.js"></script>
</body>
</html>
`;

const start = `const url = new URL('/graphql', location.href);
const subscriptionUrl = new URL(url);
subscriptionUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
const fetcher = GraphiQL.createFetcher({ url: url.href, subscriptionUrl: subscriptionUrl.href });
ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, { fetcher, defaultQuery: ${JSON.stringify(firstQuery)}, shouldPersistHeaders: true }),
);
`;

/** It shows nothing but itself: what it asks needs a token. */
const open = { schema: { hide: true }, config: { needs: 'nothing' } } as const;

/** A workbench for /graphql at /graphiql. */
export function registerGraphiql(app: FastifyInstance): void {
  app.get('/graphiql', open, async (_request, reply) => reply.type('text/html; charset=utf-8').send(page));
  app.get('/graphiql/start.js', open, async (_request, reply) => reply.type('text/javascript').send(start));
  for (const [name, { from, file, type }] of Object.entries(files)) {
    const path = join(dirname(from), file);
    app.get(`/graphiql/${name}`, open, async (_request, reply) => reply.type(type).send(createReadStream(path)));
  }
}
