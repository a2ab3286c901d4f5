import { type ErrorCode, PortolanError, portolanError } from '@portolan/model';
import { type FormattedExecutionResult, GraphQLError } from 'graphql';
import type { Log } from '../application/context.js';
import { logProblem, portolanErrorFrom } from '../plugins/problems.js';

/** What the server of GraphQL refuses for reasons of its own, in our codes: by its code, or where that says less, by its message. */
const refusals: Readonly<Record<string, { readonly code: ErrorCode; readonly fix?: string }>> = {
  MER_ERR_GQL_QUERY_DEPTH: { code: 'query-too-complex' },
  PersistedQueryNotFound: { code: 'not-found', fix: 'Send the query itself, once, with the same hash.' },
  MER_ERR_GQL_PERSISTED_QUERY_MISMATCH: { code: 'invalid-document', fix: 'Send the SHA-256 of the query that you send, hexadecimal.' },
  MER_ERR_GQL_PERSISTED_QUERY_NOT_SUPPORTED: {
    code: 'invalid-document',
    fix: 'Send extensions.persistedQuery with version 1 and sha256Hash, or the query itself.',
  },
};

function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : '';
}

/** Every error carries our code, path, fix and status beside GraphQL's own path; what GraphQL itself refuses is an invalid document. */
export function formatted(execution: { readonly data?: unknown; readonly errors?: readonly GraphQLError[] }, log: Log) {
  const errors = (execution.errors ?? []).flatMap(causesOf).map((error) => {
    const known = portolanErrorOf(error);
    logProblem(log, known, { graphql: error.path?.join('.') });
    const { code, path, fix } = known.problems[0];
    return {
      message: known.code === 'internal' || error.originalError instanceof PortolanError ? known.message : error.message,
      ...(error.locations === undefined ? {} : { locations: error.locations }),
      ...(error.path === undefined ? {} : { path: error.path }),
      extensions: { code, path, fix, status: known.status, problems: known.problems },
    };
  });
  const refused = execution.data === null || execution.data === undefined ? errors[0]?.extensions.status : undefined;
  return {
    statusCode: refused !== undefined && errors[0]?.path === undefined ? refused : 200,
    response: { data: execution.data ?? null, errors } as FormattedExecutionResult,
  };
}

function causesOf(error: GraphQLError): readonly GraphQLError[] {
  const nested = (error.originalError as { readonly errors?: unknown } | undefined)?.errors;
  return Array.isArray(nested)
    ? nested.map((cause) => (cause instanceof GraphQLError ? cause : new GraphQLError(messageOf(cause), { originalError: asError(cause) })))
    : [error];
}

function asError(cause: unknown): Error | undefined {
  return cause instanceof Error ? cause : undefined;
}

function messageOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'message' in cause ? String(cause.message) : String(cause);
}

function portolanErrorOf(error: GraphQLError): PortolanError {
  const thrown = error.originalError;
  if (thrown instanceof PortolanError) return thrown;
  const { code, fix } = refusals[error.message] ?? refusals[codeOf(thrown)] ?? {};
  if (code !== undefined) return portolanError(code, '', error.message, { ...(fix === undefined ? {} : { fix }) });
  const refusedByGraphql = thrown === undefined || thrown === null || thrown instanceof GraphQLError || 'statusCode' in thrown;
  return refusedByGraphql
    ? portolanError('invalid-document', '', error.message, { fix: 'Correct the query; /graphiql shows the schema.' })
    : portolanErrorFrom(thrown);
}
