import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { RELEASE } from '../application/release.js';
import { tags } from '../rest/operation.js';

/** The OpenAPI document at /docs/json, and for people at /docs. Must be registered before the routes. */
export async function registerOpenapi(app: FastifyInstance, secured: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Portolan control plane',
        version: RELEASE,
        description: 'Intent in, node states out. Every change of intent makes a revision; `?wait=applied` answers when every node has applied it.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      ...(secured ? { security: [{ token: [] }], components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } } : {}),
    },
    // GraphQL has a document of its own: its schema.
    transform: ({ schema, url }) => ({ schema: url.startsWith('/graphql') ? { ...schema, hide: true } : schema, url }),
    refResolver: { buildLocalReference: (schema, _base, _fragment, index) => (typeof schema.$id === 'string' ? schema.$id : `schema-${index}`) },
  });
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { docExpansion: 'list', tryItOutEnabled: true } });
}
