import { PortolanError, type Problem, portolanError, problem } from '@portolan/model';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import type { Context } from '../application/context.js';
import type { Departure } from '../application/departures.js';
import { parsed, withPaths } from '../application/parse.js';
import { DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS, waitApplied, waitDrained } from '../application/wait.js';

const closed = { additionalProperties: false } as const;

export const clusterParams = Type.Object({ cluster: Type.String({ description: 'Name of the cluster.' }) }, closed);
export const objectParams = Type.Object(
  { cluster: Type.String({ description: 'Name of the cluster.' }), name: Type.String({ description: 'Name of the object.' }) },
  closed,
);
export const noQuery = Type.Object({}, closed);

export const pageFields = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Items of a page at most.' })),
  cursor: Type.Optional(Type.String({ description: '`nextCursor` of the page before.' })),
};

const timeout = Type.Optional(
  Type.Number({ minimum: 0, maximum: LONGEST_WAIT_SECONDS, default: DEFAULT_WAIT_SECONDS, description: 'Seconds to wait at most; then the answer is 504.' }),
);
export const waitFields = {
  wait: Type.Optional(
    Type.Literal('applied', {
      description:
        'Answer when every node of the cluster has applied the change and what it led to: a new endpoint on a node that is up is seen, and sent traffic unless a health check keeps it out (whether it is healthy is not waited for).',
    }),
  ),
  timeout,
};
/** Of what lets an endpoint leave. */
export const departureWaitFields = {
  wait: Type.Optional(
    Type.Union([Type.Literal('applied'), Type.Literal('drained')], {
      description:
        'applied: answer when every node has applied the change, so that no new connection is made. drained: answer when it is safe to stop the endpoint; when the time is over the answer is 504 (not-drained) and names what is left.',
    }),
  ),
  timeout,
};
export const waitQuery = Type.Object(waitFields, closed);
export const revisionWaitQuery = Type.Object(
  { revision: Type.Optional(Type.Integer({ minimum: 0, description: 'The newest unless given.' })), timeout },
  closed,
);

/** Documented on what can be guarded by a version. */
export const ifMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'ETag that the object was read with: the change is refused when it has changed since.' })),
});
export const revisionHeader = { 'portolan-revision': Type.Integer({ description: 'Revision of the intent after the change.' }) };
export const etagHeader = { etag: Type.String({ description: 'Version of the object, for If-Match.' }) };

/**
 * Path and query are text: numbers and booleans are read from it, and what is not known is refused. Bodies are left to the
 * application layer, which judges them for every door alike.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'body' || httpPart === 'headers') return () => true;
  const mark = httpPart === 'querystring' ? '?' : '';
  return (value: unknown) => {
    try {
      const converted = Value.Convert(schema, { ...(value as object) });
      return {
        value: withPaths(
          (path) => `${mark}${path.replace(/^\//, '')}`,
          () => parsed(schema, converted),
        ),
      };
    } catch (error) {
      // The framework writes its own code into the error, and ours has a fixed one.
      return { error: new Error('the request is not valid', { cause: error }) };
    }
  };
};

/** Reads application/yaml and application/merge-patch+json beside JSON. */
export function registerBodies(app: FastifyInstance): void {
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));
  app.addContentTypeParser(['application/yaml', 'text/yaml', 'application/x-yaml'], { parseAs: 'string' }, async (_request: FastifyRequest, text: string) => {
    try {
      return parseYaml(text, { maxAliasCount: 10_000 }) as unknown;
    } catch (error) {
      throw portolanError('invalid-document', '', `the YAML cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
        fix: 'Correct the YAML.',
        cause: error,
      });
    }
  });
}

/** The version that If-Match asks for; undefined for `*` or when there is none. */
export function ifMatchVersion(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']?.trim();
  if (header === undefined || header === '*') return undefined;
  const version = /^(?:W\/)?"?([0-9]{1,15})"?$/.exec(header)?.[1];
  if (version === undefined) {
    throw portolanError('precondition-failed', '', `If-Match: ${header} is not an ETag of this object`, {
      fix: 'Send the ETag that the object was read with, such as "3".',
    });
  }
  return Number(version);
}

export function etagOf(version: number): string {
  return `"${version}"`;
}

/** Ends when the caller hangs up. */
export function hungUp(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** Announces the revision of a mutation, and waits for it where the query says so. */
export async function settle(ctx: Context, reply: FastifyReply, cluster: string, revision: number, query: Static<typeof waitQuery>): Promise<void> {
  reply.header('portolan-revision', String(revision));
  if (query.wait === 'applied') await waitApplied(ctx, cluster, revision, query.timeout ?? DEFAULT_WAIT_SECONDS, hungUp(reply));
}

/** The same of an endpoint that leaves. */
export async function settleDeparture(
  ctx: Context,
  reply: FastifyReply,
  cluster: string,
  { endpoint, revision }: Departure,
  { wait, timeout: seconds = DEFAULT_WAIT_SECONDS }: { readonly wait?: 'applied' | 'drained'; readonly timeout?: number },
): Promise<void> {
  reply.header('portolan-revision', String(revision));
  if (wait === 'applied') await waitApplied(ctx, cluster, revision, seconds, hungUp(reply));
  if (wait === 'drained') await waitDrained(ctx, cluster, endpoint, revision, seconds, hungUp(reply));
}

/** A fault of the query, to be thrown. */
export function queryFault(name: string, message: string): PortolanError {
  const fault: Problem = problem('invalid-document', `?${name}`, message);
  return new PortolanError(fault);
}
