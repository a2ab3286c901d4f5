import { outcomes, type Question, transports } from '@portolan/explain';
import { Type } from 'typebox';
import type { Context } from '../application/context.js';
import { changesetFlows, explainFlow, reachedFlows } from '../application/explain.js';
import { changesetParams } from './changesets.js';
import { operation } from './operation.js';
import { clusterParams, noQuery } from './requests.js';
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

const outcome = Type.Union(outcomes.map((word) => Type.Literal(word)));
const sides = { from: Type.String(), to: Type.String(), node: Type.Union([Type.String(), Type.Null()], { description: 'That a client outside dials.' }) };
const reached = Type.Object({
  ...sides,
  outcome,
  reason: Type.String(),
  delivered: Type.Integer({ description: 'Paths that are delivered.' }),
  paths: Type.Integer(),
  backends: Type.Array(Type.String()),
});
const flowChange = Type.Object({
  ...sides,
  before: Type.Union([outcome, Type.Null()]),
  after: Type.Union([outcome, Type.Null()]),
  gained: Type.Array(Type.String()),
  lost: Type.Array(Type.String()),
  text: Type.String(),
});

/** Flows of an answer, unless more are asked for. */
const FLOWS = 1000;
const MOST_FLOWS = 10_000;

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
  routes.get(
    '/clusters/:cluster/reach',
    {
      schema: operation({
        operationId: 'listReach',
        needs: 'viewer',
        tag: 'nodes',
        summary: 'What reaches what: every client and every VIP and published port',
        params: clusterParams,
        query: Type.Object(
          {
            from: Type.Optional(Type.String({ description: 'Only clients that begin so, such as endpoint:web.' })),
            to: Type.Optional(Type.String({ description: 'Only destinations that begin so.' })),
            observed: Type.Optional(Type.Boolean({ description: 'By what the agents last saw.' })),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_FLOWS })),
          },
          { additionalProperties: false },
        ),
        answers: { 200: { description: 'Flow by flow.', schema: Type.Object({ items: Type.Array(reached) }) } },
        errors: ['not-found'],
      }),
    },
    async (request) => {
      const { observed = false, limit = FLOWS, ...filter } = request.query;
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      return { items: await reachedFlows(ctx, snapshot, filter, observed ? 'observed' : 'desired', limit) };
    },
  );
  routes.get(
    '/clusters/:cluster/changesets/:id/flows',
    {
      schema: operation({
        operationId: 'listChangesetFlows',
        needs: 'viewer',
        tag: 'changesets',
        summary: 'Which flows a changeset would change',
        params: changesetParams,
        query: noQuery,
        answers: { 200: { description: 'Those that are other than before.', schema: Type.Object({ items: Type.Array(flowChange) }) } },
        errors: ['not-found'],
      }),
    },
    async (request) => ({ items: await changesetFlows(ctx, await ctx.store.snapshot(request.params.cluster), request.params.id) }),
  );
}
