import { type ErrorCode, PortolanError, portolanError, problem } from '@portolan/model';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../application/context.js';

/** The body of application/problem+json (RFC 9457) that every error of REST answers with. */
function problemDocument(error: PortolanError): Record<string, unknown> {
  const [first] = error.problems;
  return {
    type: `urn:portolan:problem:${error.code}`,
    title: error.code.replaceAll('-', ' '),
    status: error.status,
    code: error.code,
    detail: error.message,
    path: first.path,
    fix: first.fix,
    problems: error.problems,
  };
}

/** What the framework found wrong with a request, in our codes. */
const requestFaults: Readonly<Record<string, { readonly code: ErrorCode; readonly fix: string }>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'invalid-document', fix: 'Correct the JSON.' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'invalid-document', fix: 'Send a document, or leave out the header content-type.' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'invalid-document', fix: 'Send a document of at most 64 MiB.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'invalid-document', fix: 'Send application/json or application/yaml.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { code: 'invalid-document', fix: 'Send the length of the body as content-length.' },
};

/** Any thrown thing as the one error class that is answered. */
export function portolanErrorFrom(thrown: unknown): PortolanError {
  if (thrown instanceof PortolanError) return thrown;
  if (thrown instanceof Error && thrown.cause instanceof PortolanError) return thrown.cause;
  const { code, message, statusCode } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as {
    code?: string;
    message?: string;
    statusCode?: number;
  };
  const fault = code === undefined ? undefined : requestFaults[code];
  if (fault !== undefined) return new PortolanError(problem(fault.code, '', message ?? 'the request cannot be read', fault.fix), { cause: thrown });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return portolanError('invalid-document', '', message ?? 'the request cannot be read', { cause: thrown });
  }
  return portolanError('internal', '', 'something went wrong inside the control plane', { cause: thrown });
}

/** Each error is logged here, at the edge, and nowhere else: what is our fault loudly, what is the caller's quietly. */
export function logProblem(log: Log, error: PortolanError, fields: object): void {
  if (error.code === 'internal') log.error({ ...fields, err: error.cause ?? error }, error.message);
  else if (error.status >= 500) log.warn({ ...fields, code: error.code }, error.message);
  else log.debug({ ...fields, code: error.code, path: error.problems[0].path }, error.message);
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = portolanErrorFrom(thrown);
  logProblem(request.log, error, { method: request.method, url: request.url });
  if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer');
  if (error.code === 'store-unavailable') reply.header('retry-after', '1');
  return reply.code(error.status).header('content-type', 'application/problem+json; charset=utf-8').serializer(JSON.stringify).send(problemDocument(error));
}

export function registerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      request,
      reply,
      portolanError('not-found', '', `there is no ${request.method} ${request.url.split('?')[0]}`, { fix: 'See /docs for every path and method.' }),
    ),
  );
}
