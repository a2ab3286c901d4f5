import { type ErrorCode, PortolanError, portolanError } from '@portolan/model';
import { storeUnavailable } from '../outage.js';

/** What the database itself refuses, by the name of the constraint (prisma/migrations). */
const constraints: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  clusters_name_key: ['duplicate-name', 'a cluster of this name exists'],
  nodes_name_key: ['duplicate-name', 'another node of the cluster has this name'],
  networks_name_key: ['duplicate-name', 'another network of the cluster has this name'],
  services_name_key: ['duplicate-name', 'another service of the cluster has this name'],
  endpoints_name_key: ['duplicate-name', 'another endpoint of the cluster has this name'],
  clusters_pkey: ['duplicate-id', 'a cluster with this id exists'],
  nodes_pkey: ['duplicate-id', 'a node with this id exists, maybe in another cluster'],
  networks_pkey: ['duplicate-id', 'a network with this id exists, maybe in another cluster'],
  services_pkey: ['duplicate-id', 'a service with this id exists, maybe in another cluster'],
  endpoints_pkey: ['duplicate-id', 'an endpoint with this id exists, maybe in another cluster'],
  nodes_address_key: ['address-taken', 'another node of the cluster has this address'],
  addresses_key: ['address-taken', 'an address is given already in its network'],
  marks_key: ['mark-taken', 'a mark is given already in the cluster'],
  endpoints_gateway_key: ['address-taken', 'another endpoint of the node has this address on the gateway bridge'],
  endpoints_pod_key: ['address-taken', 'another endpoint of the cluster has this address in the flannel network'],
  network_subnets_vni_key: ['vni-taken', 'another network of the cluster has this VNI'],
  network_subnets_subnet_excl: ['subnet-overlap', 'two subnets of the cluster overlap'],
  networks_ingress_excl: ['ingress-exists', 'the cluster has an ingress network already'],
  published_ports_pkey: ['port-taken', 'a port is published already by this service'],
  changesets_active_key: ['rollout-in-progress', 'another changeset of the cluster is under way'],
  api_tokens_name_key: ['duplicate-name', 'another token has this name'],
  published_ports_ingress_key: ['port-taken', 'a port is published already in the cluster'],
};

/** Texts that JSON can say and PostgreSQL cannot hold: NUL, and half of a surrogate pair. */
const unstorableStates = new Set(['22P05', '22021', '22P02']);
/** SQL states that mean the server is going, coming, or has no room: 08 connection, 53 resources, 57P0 shutdown. */
const unavailableStates = /^(08|53|57P0|58)/;
/** Cancelled by statement_timeout or lock_timeout; no such database; not let in. */
const otherUnavailableStates = new Set(['57014', '55P03', '3D000', '28000', '28P01']);
const unavailableKinds = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections', 'TlsConnectionError']);
/** Configured wrongly, not gone; still the answer is that nothing works until it is put right. */
const refusalKinds = new Set(['DatabaseDoesNotExist', 'DatabaseAccessDenied', 'AuthenticationFailed']);
/** Prisma: cannot reach, connection closed, no free connection, transaction not started or lost. */
const unavailablePrismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);
const connectionCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH']);
/** node-postgres gives these no code. */
const connectionMessages =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect|timeout expired|Cannot use a pool after|no answer within)/;

interface Trace {
  /** SQL state, Prisma's code or the system's. */
  readonly codes: readonly string[];
  /** Kind that the driver adapter gave it. */
  readonly kinds: readonly string[];
  readonly messages: readonly string[];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object';
}

/** An error of Prisma holds the driver's, which holds PostgreSQL's: what all of them say. */
function traceOf(error: unknown): Trace {
  const codes: string[] = [];
  const kinds: string[] = [];
  const messages: string[] = [];
  const layers = [error].filter(isRecord);
  for (let depth = 0; depth < 8; depth++) {
    const fields = layers[depth];
    if (fields === undefined) break;
    for (const code of [fields.code, fields.originalCode]) if (typeof code === 'string') codes.push(code);
    if (typeof fields.kind === 'string') kinds.push(fields.kind);
    for (const message of [fields.message, fields.originalMessage]) if (typeof message === 'string') messages.push(message);
    layers.push(...[fields.meta, fields.driverAdapterError, fields.cause].filter(isRecord));
  }
  return { codes, kinds, messages };
}

function isUnavailable({ codes, kinds, messages }: Trace): boolean {
  return (
    codes.some((code) => unavailableStates.test(code) || otherUnavailableStates.has(code) || unavailablePrismaCodes.has(code) || connectionCodes.has(code)) ||
    kinds.some((kind) => unavailableKinds.has(kind) || refusalKinds.has(kind)) ||
    messages.some((message) => connectionMessages.test(message))
  );
}

/** The shortest is PostgreSQL's own; Prisma puts its call, with lines of source, in front. */
function shortest(messages: readonly string[]): string {
  return [...messages].sort((a, b) => a.length - b.length).find((message) => /\s/.test(message)) ?? messages[0] ?? 'unknown failure';
}

/** What a function of the caller threw while a transaction was open; it leaves this room unwrapped and as it is. */
export class CallerFailure extends Error {
  constructor(readonly thrown: unknown) {
    super('the function of the caller failed');
  }
}

/** Runs a function of the caller, which may fail with anything: nothing of it is a failure of the database. */
export function ofCaller<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new CallerFailure(error);
  }
}

/** True when the server, or the way to it, is at fault and the same call may do later. */
export function isOutage(error: unknown): boolean {
  if (error instanceof CallerFailure) return false;
  return error instanceof PortolanError ? error.code === 'store-unavailable' : isUnavailable(traceOf(error));
}

/** Two transactions stood in each other's way, or one lock waited for another: the same again will do. */
export function isConflict(error: unknown): boolean {
  if (error instanceof CallerFailure) return false;
  const { codes, kinds } = traceOf(error);
  return kinds.includes('TransactionWriteConflict') || codes.some((code) => code === '40001' || code === '40P01' || code === 'P2034');
}

/** Any failure of the database in the words of the model. A PortolanError is passed on as it is. */
export function portolanErrorOf(error: unknown): PortolanError {
  if (error instanceof PortolanError) return error;
  const trace = traceOf(error);
  const text = shortest(trace.messages);
  if (isUnavailable(trace)) return storeUnavailable('PostgreSQL', new Error(text, { cause: error }));
  if (isConflict(error)) return portolanError('store-unavailable', '', 'PostgreSQL is too busy: the change met another one again and again', { cause: error });
  const quoted = trace.messages.join('\n');
  const known = Object.entries(constraints).find(([name]) => quoted.includes(`"${name}"`));
  if (known !== undefined) return portolanError(known[1][0], '', known[1][1], { cause: error });
  if (trace.codes.includes('23503')) {
    // PostgreSQL's two wordings: "insert or update on table" and "update or delete on table".
    return /delete on table/.test(quoted)
      ? portolanError('in-use', '', 'what is deleted is still used by another object', { cause: error })
      : portolanError('unknown-reference', '', 'the change names an object that does not exist', { cause: error });
  }
  if (trace.codes.some((code) => unstorableStates.has(code))) {
    return portolanError('invalid-document', '', `a text cannot be stored: ${text}`, {
      cause: error,
      fix: 'Remove the characters that are no text, such as NUL.',
    });
  }
  return portolanError('internal', '', `PostgreSQL refused: ${text}`, { cause: error });
}
