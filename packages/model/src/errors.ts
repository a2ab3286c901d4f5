/**
 * Every error that Portolan can answer with. The set is closed: REST, GraphQL, the CLI and the agents
 * all speak these codes, each with its HTTP status and with what the reader can do about it.
 */
export const errorCatalogue = {
  'invalid-document': { status: 400, fix: 'Correct the value at the named path; the OpenAPI document at /docs shows every field.' },
  'unknown-field': { status: 400, fix: 'Remove the field, or correct its spelling.' },
  'query-too-complex': { status: 400, fix: 'Ask for less at once: fewer levels, or lists with a smaller "limit".' },
  'invalid-address': { status: 400, fix: 'Write an IPv4 address in dotted form, such as 10.0.0.20.' },
  'invalid-subnet': { status: 400, fix: 'Write an IPv4 subnet as ADDRESS/LENGTH, such as 10.0.0.0/24.' },
  'host-bits-set': { status: 400, fix: 'Use the network address: every bit behind the prefix length must be zero.' },
  'duplicate-name': { status: 409, fix: 'Names are unique within a cluster and kind: choose another name, or change the existing object.' },
  'duplicate-id': { status: 409, fix: 'Leave out the id and let Portolan choose one.' },
  'subnet-overlap': { status: 409, fix: 'Choose a subnet that no other network of the cluster uses, or leave it out.' },
  'address-taken': { status: 409, fix: 'Choose a free address, or leave it out and let Portolan allocate one.' },
  'address-outside-network': { status: 422, fix: 'Choose an address inside the subnet of the network, neither its first nor its last.' },
  'mark-taken': { status: 409, fix: 'Choose a free mark, or leave it out and let Portolan allocate one.' },
  'vni-taken': { status: 409, fix: 'Choose a free VNI, or leave it out and let Portolan allocate one.' },
  'port-taken': { status: 409, fix: 'Publish another port: a published port is unique in a cluster for each protocol, and in mode "host" on each node.' },
  'still-held': { status: 409, fix: 'Wait until every node has applied the revision that gave it up (portolan wait), choose another value, or leave it out.' },
  'not-attachable': { status: 422, fix: 'Set "attachable": true on the network, or name the service that the endpoint belongs to.' },
  'unsupported-combination': { status: 422, fix: 'Change one of the two settings that are named.' },
  'ingress-missing': { status: 422, fix: 'Create a network with "ingress": true before publishing a port.' },
  'ingress-exists': { status: 409, fix: 'A cluster has at most one ingress network: change the existing one.' },
  'unknown-reference': { status: 422, fix: 'Create the object that is named first, or correct the name.' },
  'in-use': { status: 409, fix: 'Delete or move what still uses it first.' },
  'immutable-field': { status: 409, fix: 'Delete the object and create it again with the new value.' },
  'node-paused': { status: 409, fix: 'Set the availability of the node to "active", or place the endpoint on another node.' },
  'flannel-missing': { status: 422, fix: 'Set the flannel network of the cluster first (portolan flannel set).' },
  'pool-exhausted': { status: 409, fix: 'Free something in the pool that is named, or configure a larger one.' },
  'not-found': { status: 404, fix: 'List the collection to see what exists.' },
  'precondition-failed': { status: 412, fix: 'Read the object again and repeat the change on its new version (ETag).' },
  'wait-timeout': { status: 504, fix: 'The change is committed; read the node states to see which node has not applied it and why.' },
  'not-drained': { status: 504, fix: 'The drain goes on; read the endpoint to see which nodes have not acknowledged and how many connections are left.' },
  unauthorized: { status: 401, fix: 'Send the header "Authorization: Bearer TOKEN" with a token of this control plane (portolan token create).' },
  forbidden: { status: 403, fix: 'Use a token with a higher role, or one for this cluster.' },
  'join-refused': { status: 403, fix: 'Make a new join token (portolan token create) and join with it.' },
  'protocol-unsupported': { status: 426, fix: 'Install an agent of the release of the control plane, or of the one before.' },
  'stale-plan': { status: 409, fix: 'Look at what moved, and make the plan again.' },
  'plan-blocked': { status: 422, fix: 'Correct what the findings name, or apply with an override of their codes, which is recorded.' },
  'rollout-in-progress': { status: 409, fix: 'Wait for the rollout to end, or end it (portolan changeset resume, rollback).' },
  'history-missing': { status: 410, fix: 'Choose a later revision: what was before is not kept.' },
  'store-unavailable': { status: 503, fix: 'Try again: the service that is named cannot be reached at the moment. Nothing was changed.' },
  'stale-generation': { status: 409, fix: 'The node holds a newer generation already; nothing needs to be done.' },
  'tool-missing': { status: 500, fix: 'Install the package that is named on the node.' },
  'kernel-feature-missing': { status: 500, fix: 'Load the kernel module that is named on the node, or run a kernel that has it.' },
  'apply-failed': { status: 500, fix: 'Read the output of the command in the job; the agent tries again by itself.' },
  internal: { status: 500, fix: 'This is a fault of Portolan: please report it with the log line.' },
} as const satisfies Record<string, { status: number; fix: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

/** One thing that is wrong. `path` is a JSON pointer into the document that was sent, '' for the whole of it. */
export interface Problem {
  readonly code: ErrorCode;
  readonly path: string;
  readonly message: string;
  /** What to do about it; the catalogue's advice unless something more exact is known. */
  readonly fix: string;
}

export function problem(code: ErrorCode, path: string, message: string, fix: string = errorCatalogue[code].fix): Problem {
  return { code, path, message, fix };
}

/** The one error class that crosses rooms. It carries at least one problem; the first gives code and status. */
export class PortolanError extends Error {
  override readonly name = 'PortolanError';
  readonly problems: readonly [Problem, ...Problem[]];

  constructor(problems: Problem | readonly [Problem, ...Problem[]], options?: ErrorOptions) {
    const all: readonly [Problem, ...Problem[]] = 'code' in problems ? [problems] : problems;
    super(all[0].path === '' ? all[0].message : `${all[0].path}: ${all[0].message}`, options);
    this.problems = all;
  }

  get code(): ErrorCode {
    return this.problems[0].code;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }
}

/** Shorthand for the usual case of a single problem. */
export function portolanError(code: ErrorCode, path: string, message: string, options?: ErrorOptions & { fix?: string }): PortolanError {
  return new PortolanError(problem(code, path, message, options?.fix), options);
}
