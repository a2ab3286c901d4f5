import { type Question, transports } from '@portolan/explain';
import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { explainFlow } from '../application/explain.js';
import { operation } from './operation.js';
import { clusterParams } from './requests.js';
import type { Routes } from './route.js';

const query = Type.Object(
  {
    from: Type.String({ minLength: 1, description: 'endpoint:NAME, node:NAME, outside or outside:ADDRESS.' }),
    to: Type.String({ minLength: 1, description: 'NAME[:PORT][/tcp|/udp|/icmp], ADDRESS[:PORT], node:NAME:PORT or endpoint:NAME[:PORT].' }),
    node: Type.Optional(Type.String({ description: 'That a client outside dials.' })),
    backend: Type.Optional(Type.String({ description: 'Only the path by this endpoint.' })),
    size: Type.Optional(Type.Integer({ minimum: 20, maximum: 65535, description: 'Bytes of the IP packet; 60 unless given.' })),
    df: Type.Optional(Type.Boolean({ description: 'It may not be fragmented; true unless given.' })),
    observed: Type.Optional(Type.Boolean({ description: 'By what the agents last saw, instead of what should be there.' })),
  },
  { additionalProperties: false },
);

const answer = Type.Object(
  {
    from: Type.String(),
    to: Type.String(),
    transport: Type.Union(transports.map((word) => Type.Literal(word))),
    verdict: Type.Object({}, { additionalProperties: true, description: 'The worst of all paths: outcome, reason, fix, and what is to blame.' }),
    paths: Type.Array(Type.Object({}, { additionalProperties: true }), { description: 'One for each real server: hops forward and of the reply.' }),
  },
  { additionalProperties: true },
);

export function registerExplain(routes: Routes, ctx: Context): void {
  routes.get(
    '/clusters/:cluster/explain',
    {
      schema: operation({
        operationId: 'explainFlow',
        needs: 'viewer',
        tag: 'nodes',
        summary: 'Where a packet goes, through which rules, and why it does not arrive',
        params: clusterParams,
        query,
        answers: { 200: { description: 'The flow, hop by hop.', schema: answer } },
        errors: ['not-found', 'invalid-document'],
      }),
    },
    async (request) => {
      const { observed = false, ...asked } = request.query;
      const question: Question = asked;
      return explainFlow(ctx, await ctx.store.snapshot(request.params.cluster), question, observed ? 'observed' : 'desired');
    },
  );
}
