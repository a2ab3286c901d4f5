import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { portolanError } from '@portolan/model';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { registerAgents } from '../agents/routes.js';
import type { Context } from '../application/context.js';
import { registerChangesets } from './changesets.js';
import { registerClusters } from './clusters.js';
import { registerDrift } from './drift.js';
import { registerEndpoints } from './endpoints.js';
import { registerExplain } from './explain.js';
import { registerFlannel } from './flannel.js';
import { registerJoin } from './join.js';
import { registerManifest } from './manifest.js';
import { registerNetworks } from './networks.js';
import { registerNodeCredentials } from './node-credentials.js';
import { registerNodes } from './nodes.js';
import { registerPast } from './past.js';
import { registerPools } from './pools.js';
import { registerProgress } from './progress.js';
import { registerBodies, validatorCompiler } from './requests.js';
import { components } from './schemas.js';
import { registerServices } from './services.js';
import { registerTokens } from './tokens.js';

/** Everything below /v1. `unready`: why nothing can be answered yet, or null. */
export async function registerRest(app: FastifyInstance, ctx: Context, unready: () => string | null): Promise<void> {
  for (const [name, schema] of Object.entries(components)) app.addSchema({ ...schema, $id: name });
  const v1Routes: FastifyPluginAsync = async (v1) => {
    v1.setValidatorCompiler(validatorCompiler);
    v1.setSerializerCompiler(() => JSON.stringify);
    registerBodies(v1);
    v1.addHook('onRequest', async () => {
      const reason = unready();
      if (reason !== null) throw portolanError('store-unavailable', '', reason);
    });
    const routes = v1.withTypeProvider<TypeBoxTypeProvider>();
    registerClusters(routes, ctx);
    registerManifest(routes, ctx);
    registerNodes(routes, ctx);
    registerNetworks(routes, ctx);
    registerServices(routes, ctx);
    registerEndpoints(routes, ctx);
    registerFlannel(routes, ctx);
    registerChangesets(routes, ctx);
    registerPast(routes, ctx);
    registerPools(routes, ctx);
    registerExplain(routes, ctx);
    registerProgress(routes, ctx);
    registerDrift(routes, ctx);
    registerAgents(routes, ctx);
    registerTokens(routes, ctx);
    registerNodeCredentials(routes, ctx);
    await registerJoin(routes, ctx);
  };
  await app.register(v1Routes, { prefix: '/v1' });
}
