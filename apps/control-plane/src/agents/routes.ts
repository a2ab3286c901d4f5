import { agentHeaders, type DesiredState, PROTOCOL_VERSION, ReportOrderSchema, ReportSchema, stateForProtocol, TrafficReadingSchema } from '@portolan/protocol';
import { Type } from 'typebox';
import { protocolOf } from '../application/agent-protocol.js';
import type { Context } from '../application/context.js';
import { handedState } from '../application/handed-state.js';
import { objectNamed } from '../application/objects.js';
import { takeReport } from '../application/reports.js';
import { takeTraffic } from '../application/service-traffic.js';
import { progressOf } from '../application/status.js';
import { operation } from '../rest/operation.js';
import { noQuery } from '../rest/requests.js';
import type { Routes } from '../rest/route.js';

const params = Type.Object({ cluster: Type.String(), node: Type.String() }, { additionalProperties: false });
const stateHeaders = {
  etag: Type.String(),
  [agentHeaders.generation]: Type.Integer(),
  [agentHeaders.revision]: Type.Integer(),
  [agentHeaders.protocol]: Type.Integer(),
};

/** What agents speak, by the paths of the protocol. */
export function registerAgents(routes: Routes, ctx: Context): void {
  routes.get(
    '/agents/:cluster/:node/state',
    {
      schema: operation({
        operationId: 'getAgentState',
        needs: 'agent',
        tag: 'agents',
        summary: 'The newest state of a node',
        description:
          'With If-None-Match an equal state answers 304, with the headers only. An agent of the release before says so by its version of the protocol, and is answered in that.',
        params,
        query: noQuery,
        headers: Type.Object({ 'if-none-match': Type.Optional(Type.String()), [agentHeaders.protocol]: Type.Optional(Type.String()) }),
        answers: {
          200: { description: 'The state.', schema: Type.Unknown(), headers: stateHeaders },
          304: { description: 'The agent has it already.', headers: stateHeaders },
        },
        errors: ['not-found', 'protocol-unsupported'],
      }),
    },
    async (request, reply) => {
      const protocol = protocolOf(request.headers[agentHeaders.protocol]);
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      const node = objectNamed(snapshot, 'node', request.params.node);
      const tag = request.headers['if-none-match'];
      // Of the state that an older version is told, nobody keeps the hash.
      if (tag !== undefined && protocol === PROTOCOL_VERSION) {
        const progress = await progressOf(ctx, snapshot, node.id);
        if (progress !== undefined && progress.generation > 0 && tag === `"${progress.stateHash}"`) {
          return reply
            .code(304)
            .headers(stateHeadersOf(protocol, progress.stateHash, progress.generation, progress.computedRevision))
            .send();
        }
      }
      const { state: newest, generation, revision } = await handedState(ctx, snapshot, node);
      const state = stateForProtocol(newest, protocol);
      reply.headers(stateHeadersOf(protocol, state.hash, generation, revision));
      if (tag === `"${state.hash}"`) return reply.code(304).send();
      return { protocol, nodeId: node.id, generation, revision, state } satisfies DesiredState;
    },
  );

  routes.post(
    '/agents/:cluster/:node/reports',
    {
      schema: operation({
        operationId: 'postReport',
        needs: 'agent',
        tag: 'agents',
        summary: 'Say what was applied and what is there',
        params,
        query: noQuery,
        body: ReportSchema,
        consumes: ['application/json'],
        answers: {
          200: {
            description: 'Whether there is something newer.',
            schema: Type.Object({ generation: Type.Integer(), wantsObjects: Type.Boolean(), overtakenBy: Type.Optional(ReportOrderSchema) }),
          },
        },
        errors: ['not-found', 'unknown-field', 'protocol-unsupported'],
      }),
    },
    async (request) => takeReport(ctx, await ctx.store.snapshot(request.params.cluster), request.params.node, request.body),
  );

  routes.post(
    '/agents/:cluster/:node/traffic',
    {
      schema: operation({
        operationId: 'postTraffic',
        needs: 'agent',
        tag: 'agents',
        summary: 'Say what IPVS of the node has counted',
        description: 'The newest reading is kept, and the one before. No revision and no status moves by it.',
        params,
        query: noQuery,
        body: TrafficReadingSchema,
        consumes: ['application/json'],
        answers: { 204: { description: 'It is kept.' } },
        errors: ['not-found', 'unknown-field', 'protocol-unsupported'],
      }),
    },
    async (request, reply) => {
      await takeTraffic(ctx, await ctx.store.snapshot(request.params.cluster), request.params.node, request.body);
      return reply.code(204).send();
    },
  );
}

function stateHeadersOf(protocol: number, hash: string, generation: number, revision: number): Record<string, string> {
  return {
    etag: `"${hash}"`,
    [agentHeaders.generation]: String(generation),
    [agentHeaders.revision]: String(revision),
    [agentHeaders.protocol]: String(protocol),
  };
}
