import { findNoun, type Nouns } from '@portolan/intent';
import { type NounKind, nounCollections, type Snapshot } from '@portolan/model';
import type { FastifyReply } from 'fastify';
import { type Static, type TProperties, Type } from 'typebox';
import { createObject, deleteObject, type NounOutcome, patchObject, replaceObject } from '../application/commands.js';
import type { Context } from '../application/context.js';
import { objectNamed, objectsOf, pageOf } from '../application/objects.js';
import { type Representation, representationsOf } from '../application/representations.js';
import { callerOf } from './caller.js';
import { editErrors, operation, refTo } from './operation.js';
import {
  clusterParams,
  etagHeader,
  etagOf,
  ifMatchHeader,
  ifMatchVersion,
  noQuery,
  objectParams,
  pageFields,
  revisionHeader,
  settle,
  waitQuery,
} from './requests.js';
import type { Routes } from './route.js';
import { nounComponents, pageOfSchema } from './schemas.js';

const filterFields = {
  name: Type.Optional(Type.String({ description: 'Only names that start with this.' })),
  node: Type.Optional(Type.String({ description: 'Only what has to do with this node.' })),
  network: Type.Optional(Type.String({ description: 'Only what has to do with this network.' })),
  service: Type.Optional(Type.String({ description: 'Only what has to do with this service.' })),
};

export interface NounRoutes<K extends NounKind> {
  readonly kind: K;
  /** What an object shows here beyond its representation; for all objects of an answer at once. */
  readonly represent?: (snapshot: Snapshot, representations: readonly Representation<K>[]) => Promise<readonly object[]>;
  readonly about: string;
}

/** Create, list, read, replace and patch of one kind of object. */
export function registerNounRoutes<K extends NounKind>(routes: Routes, ctx: Context, { kind, represent, about }: NounRoutes<K>): void {
  const collection = nounCollections[kind];
  const { spec, object } = nounComponents[kind];
  const path = `/clusters/:cluster/${collection}`;
  const { [kind]: _self, ...filters } = filterFields;
  const listQuery = Type.Object({ ...(filters as TProperties as Omit<typeof filterFields, never>), ...pageFields }, { additionalProperties: false });
  const shared = { tag: collection, params: objectParams } as const;

  const shown = async (snapshot: Snapshot, nouns: readonly Nouns[K][]): Promise<readonly object[]> => {
    const representations = await representationsOf(ctx, snapshot, kind, nouns);
    return represent === undefined ? representations : represent(snapshot, representations);
  };
  const shownOne = async (snapshot: Snapshot, noun: Nouns[K]): Promise<object | undefined> => (await shown(snapshot, [noun]))[0];
  /** Waits as the query says, and answers with the object as it is then. */
  const settled = async (reply: FastifyReply, cluster: string, outcome: NounOutcome<K>, query: Static<typeof waitQuery>): Promise<object | undefined> => {
    await settle(ctx, reply, cluster, outcome.revision, query);
    const snapshot = query.wait === undefined ? outcome.snapshot : await ctx.store.snapshot(cluster);
    const noun = findNoun(snapshot, kind, outcome.noun.name) ?? outcome.noun;
    reply.header('etag', etagOf(noun.version));
    return shownOne(snapshot, noun);
  };

  routes.get(
    path,
    {
      schema: operation({
        operationId: `list${object}s`,
        needs: 'viewer',
        tag: collection,
        summary: `List ${collection}`,
        description: about,
        params: clusterParams,
        query: listQuery,
        answers: { 200: { description: `A page of ${collection}, by name.`, schema: pageOfSchema(object) } },
        errors: ['not-found'],
      }),
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      const page = pageOf(objectsOf(snapshot, kind, filter), limit ?? 100, cursor);
      return { items: await shown(snapshot, page.items), nextCursor: page.nextCursor };
    },
  );

  routes.post(
    path,
    {
      schema: operation({
        operationId: `create${object}`,
        needs: 'operator',
        tag: collection,
        summary: `Create a ${kind}`,
        params: clusterParams,
        query: waitQuery,
        body: refTo(spec),
        answers: {
          201: { description: 'Created; every value that was left out is filled in.', schema: refTo(object), headers: { ...etagHeader, ...revisionHeader } },
        },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const outcome = await createObject(ctx, callerOf(request), cluster, kind, request.body);
      const answer = await settled(reply, cluster, outcome, request.query);
      reply.code(201).header('location', `/v1/clusters/${encodeURIComponent(cluster)}/${collection}/${encodeURIComponent(outcome.noun.name)}`);
      return answer;
    },
  );

  routes.get(
    `${path}/:name`,
    {
      schema: operation({
        ...shared,
        operationId: `get${object}`,
        needs: 'viewer',
        summary: `Read a ${kind}`,
        query: noQuery,
        answers: { 200: { description: `The ${kind}.`, schema: refTo(object), headers: etagHeader } },
        errors: ['not-found'],
      }),
    },
    async (request, reply) => {
      const snapshot = await ctx.store.snapshot(request.params.cluster);
      const noun = objectNamed(snapshot, kind, request.params.name);
      reply.header('etag', etagOf(noun.version));
      return shownOne(snapshot, noun);
    },
  );

  routes.put(
    `${path}/:name`,
    {
      schema: operation({
        ...shared,
        operationId: `replace${object}`,
        needs: 'operator',
        summary: `Replace a ${kind}`,
        description: 'Takes a spec, or the object as it was read. Values that are left out keep what was allocated.',
        headers: ifMatchHeader,
        query: waitQuery,
        body: refTo(spec),
        answers: { 200: { description: `The ${kind} as it is now.`, schema: refTo(object), headers: { ...etagHeader, ...revisionHeader } } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      return settled(reply, cluster, await replaceObject(ctx, callerOf(request), cluster, kind, name, request.body, ifMatchVersion(request)), request.query);
    },
  );

  routes.patch(
    `${path}/:name`,
    {
      schema: operation({
        ...shared,
        operationId: `patch${object}`,
        needs: 'operator',
        summary: `Change some fields of a ${kind}`,
        description: 'JSON merge patch (RFC 7396) of the spec: null takes a field away.',
        headers: ifMatchHeader,
        query: waitQuery,
        body: Type.Record(Type.String(), Type.Unknown(), { description: `Fields of ${spec}.` }),
        consumes: ['application/merge-patch+json', 'application/json', 'application/yaml'],
        answers: { 200: { description: `The ${kind} as it is now.`, schema: refTo(object), headers: { ...etagHeader, ...revisionHeader } } },
        errors: editErrors,
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      return settled(reply, cluster, await patchObject(ctx, callerOf(request), cluster, kind, name, request.body, ifMatchVersion(request)), request.query);
    },
  );
}

/** Deletes of one kind of object, at once. */
export function registerNounDelete(routes: Routes, ctx: Context, kind: Exclude<NounKind, 'endpoint'>): void {
  const collection = nounCollections[kind];
  const path = `/clusters/:cluster/${collection}` as const;
  routes.delete(
    `${path}/:name`,
    {
      schema: operation({
        operationId: `delete${nounComponents[kind].object}`,
        needs: 'operator',
        tag: collection,
        params: objectParams,
        summary: `Delete a ${kind}`,
        headers: ifMatchHeader,
        query: waitQuery,
        answers: { 204: { description: 'Deleted.', headers: revisionHeader } },
        errors: ['not-found', 'in-use', 'rollout-in-progress', 'precondition-failed', 'wait-timeout'],
      }),
    },
    async (request, reply) => {
      const { cluster, name } = request.params;
      const { revision } = await deleteObject(ctx, callerOf(request), cluster, kind, name, ifMatchVersion(request));
      await settle(ctx, reply, cluster, revision, request.query);
      return reply.code(204).send();
    },
  );
}
