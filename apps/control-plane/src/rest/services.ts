import { type TSchema, Type } from 'typebox';
import type { Context } from '../application/context.js';
import { type ProgrammedPlace, serviceProgrammed } from '../application/programmed.js';
import { type ServiceTraffic, serviceTraffic } from '../application/service-traffic.js';
import { registerNounDelete, registerNounRoutes } from './noun-routes.js';
import { operation, refTo } from './operation.js';
import { noQuery, objectParams } from './requests.js';
import type { Routes } from './route.js';

const places: TSchema = Type.Object({ items: Type.Array(refTo('ProgrammedPlace')) }, { additionalProperties: false });

export function registerServices(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, { kind: 'service', about: 'Each with its VIP and mark in each network, and its published ports.' });
  registerNounDelete(routes, ctx, 'service');
  const path = '/clusters/:cluster/services/:name';
  const shared = { tag: 'services', needs: 'viewer', params: objectParams, query: noQuery, errors: ['not-found'] } as const;

  routes.get(
    `${path}/traffic`,
    {
      schema: operation({
        ...shared,
        operationId: 'getServiceTraffic',
        summary: 'Requests of a service by backend, and by the node that sent them there',
        description: 'What IPVS has counted: connections that were scheduled, those that are there now, packets and bytes. Agents read it every ten seconds.',
        answers: { 200: { description: 'As the agents read it last.', schema: refTo('ServiceTraffic') } },
      }),
    },
    async ({ params: { cluster, name } }) => trafficShown(name, await serviceTraffic(ctx, await ctx.store.snapshot(cluster), name)),
  );

  routes.get(
    `${path}/programmed`,
    {
      schema: operation({
        ...shared,
        operationId: 'listProgrammed',
        summary: 'Where a service is programmed: its virtual server on each node, as it should be and as it is',
        answers: { 200: { description: 'By node; none with dnsrr.', schema: places } },
      }),
    },
    async ({ params: { cluster, name } }) => ({ items: (await serviceProgrammed(ctx, await ctx.store.snapshot(cluster), name)).map(placeShown) }),
  );
}

function trafficShown(service: string, { backends, nodes, ...whole }: ServiceTraffic): object {
  return {
    service,
    ...whole,
    backends: backends.map(({ endpoint, ...counted }) => ({ endpoint: endpoint.name, ...counted })),
    nodes: nodes.map(({ node, backends: sent, ...counted }) => ({
      node: node.name,
      ...counted,
      backends: sent.map(({ endpoint, ...own }) => ({ endpoint: endpoint.name, ...own })),
    })),
  };
}

function placeShown({ node, network, ...place }: ProgrammedPlace): object {
  return { node: node.name, network: network.name, ...place };
}
