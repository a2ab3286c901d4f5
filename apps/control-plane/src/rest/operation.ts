import { type ErrorCode, errorCatalogue } from '@portolan/model';
import { type TSchema, Type } from 'typebox';
import type { Needs } from '../application/credentials/principal.js';

export const tags = {
  clusters: 'A cluster: settings, and everything below it.',
  manifest: 'A whole cluster as one document.',
  changesets: 'Changes that are looked at before they are made, and made node by node.',
  nodes: 'Hosts, what they should hold, and what they hold.',
  networks: 'Overlay networks.',
  services: 'Virtual IPs, published ports and how they are balanced.',
  endpoints: 'Containers that answer for a service, how they join and how they leave.',
  flannel: 'The flannel network: a subnet for each node, who owns it, and how it is reached.',
  pools: 'What addresses, marks, VNIs, subnets and ports are taken from.',
  progress: 'How far intent has come: revisions, status, jobs.',
  credentials: 'Who may come in: people, hosts and their agents.',
  agents: 'What the agents on the nodes speak. Not for people.',
} as const;

/** Errors that any operation can answer with. */
const everywhere: readonly ErrorCode[] = ['invalid-document', 'unauthorized', 'forbidden', 'store-unavailable', 'internal'];

/** A schema of the document's components, by name; the type is that of the schema behind it. */
export function refTo<T = unknown>(name: string): ReturnType<typeof Type.Unsafe<T>> {
  return Type.Unsafe<T>({ $ref: `${name}#` });
}

/** A successful answer: the schema of its body, or none. */
export interface OperationAnswer {
  readonly description: string;
  readonly schema?: TSchema;
  readonly headers?: Readonly<Record<string, TSchema>>;
}

export interface Operation<P extends TSchema, Q extends TSchema> {
  readonly operationId: string;
  /** What a caller must be: a person of at least this role, the agent that the path names, or anybody. One hook sees to it. */
  readonly needs: Needs;
  readonly tag: keyof typeof tags;
  readonly summary: string;
  readonly description?: string;
  readonly params: P;
  readonly query: Q;
  readonly headers?: TSchema;
  /** Documented here; validated by the application layer, for every door alike. */
  readonly body?: TSchema;
  readonly consumes?: readonly string[];
  readonly answers: Readonly<Record<number, OperationAnswer>>;
  /** Beyond those that any operation can answer with. */
  readonly errors?: readonly ErrorCode[];
}

export interface OperationSchema<P, Q> {
  readonly params: P;
  readonly querystring: Q;
}

/** The schema of a route: what fastify validates, and what the OpenAPI document shows. */
export function operation<P extends TSchema, Q extends TSchema>(op: Operation<P, Q>): OperationSchema<P, Q> {
  const schema = {
    operationId: op.operationId,
    'x-needs': op.needs,
    tags: [op.tag],
    summary: op.summary,
    ...(op.description === undefined ? {} : { description: op.description }),
    params: op.params,
    querystring: op.query,
    ...(op.headers === undefined ? {} : { headers: op.headers }),
    ...(op.body === undefined ? {} : { body: op.body, consumes: op.consumes ?? ['application/json', 'application/yaml'] }),
    response: { ...successes(op.answers), ...failures([...everywhere, ...(op.errors ?? [])]) },
  };
  return schema;
}

function successes(answers: Readonly<Record<number, OperationAnswer>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, headers }]) => [
      status,
      {
        description,
        ...(headers === undefined ? {} : { headers }),
        ...(schema === undefined ? { type: 'null' } : { content: { 'application/json': { schema } } }),
      },
    ]),
  );
}

function failures(codes: readonly ErrorCode[]): Record<string, unknown> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(errorCatalogue[code].status, [...(byStatus.get(errorCatalogue[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      String(status),
      { description: `Code ${list.join(', ')}.`, content: { 'application/problem+json': { schema: refTo('Problem') } } },
    ]),
  );
}

/** What every edit of intent can be refused with. */
export const editErrors: readonly ErrorCode[] = [
  'unknown-field',
  'invalid-address',
  'invalid-subnet',
  'host-bits-set',
  'duplicate-name',
  'duplicate-id',
  'subnet-overlap',
  'address-taken',
  'address-outside-network',
  'mark-taken',
  'vni-taken',
  'port-taken',
  'still-held',
  'not-attachable',
  'unsupported-combination',
  'flannel-missing',
  'ingress-missing',
  'ingress-exists',
  'unknown-reference',
  'in-use',
  'immutable-field',
  'pool-exhausted',
  'rollout-in-progress',
  'not-found',
  'precondition-failed',
  'wait-timeout',
];
