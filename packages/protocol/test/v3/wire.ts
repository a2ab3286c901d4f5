/**
 * The wire schema of protocol 3, as release 3 had it, and what its agents and control planes did with it. Frozen: it is what hosts run
 * that nobody has touched yet, so nothing here follows the present.
 */
import { hashText, type NodeState } from '@portolan/node-state';
import { type TSchema, Type } from 'typebox';

export const PROTOCOL_V3 = 3;

const CommandSchema = Type.Object({
  space: Type.String({ description: 'Network namespace it ran in.' }),
  command: Type.String({ description: 'Command line.' }),
  input: Type.String({ description: 'Standard input, cut after 64 KiB.' }),
  exitCode: Type.Integer(),
  stdout: Type.String(),
  stderr: Type.String(),
  milliseconds: Type.Number(),
});

const ObservedObjectSchema = Type.Object({
  key: Type.String(),
  hash: Type.String(),
  space: Type.String(),
  kind: Type.String(),
  body: Type.Optional(Type.Any()),
});
const SignalsSchema = Type.Object({
  health: Type.Record(Type.String(), Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy')])),
  reachable: Type.Record(Type.String(), Type.Boolean()),
  connections: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
  underlayMtu: Type.Optional(Type.Integer({ minimum: 1 })),
  underlayLink: Type.Optional(Type.String({ maxLength: 15 })),
  onLink: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
  relay: Type.Optional(
    Type.Object({
      sent: Type.Integer({ minimum: 0 }),
      received: Type.Integer({ minimum: 0 }),
      sentBytes: Type.Integer({ minimum: 0 }),
      receivedBytes: Type.Integer({ minimum: 0 }),
      dropped: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
      queued: Type.Integer({ minimum: 0 }),
    }),
  ),
});
export const ReportSchemaV3 = Type.Object({
  protocol: Type.Integer(),
  agentVersion: Type.String(),
  jobId: Type.Optional(Type.String()),
  generation: Type.Integer({ minimum: 0 }),
  revision: Type.Integer({ minimum: 0 }),
  stateHash: Type.String(),
  status: Type.Union([Type.Literal('applied'), Type.Literal('failed')]),
  startedAt: Type.String(),
  finishedAt: Type.String(),
  steps: Type.Array(Type.Object({ action: Type.String(), key: Type.String(), reason: Type.String() })),
  commands: Type.Array(CommandSchema),
  errors: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), fix: Type.String(), key: Type.Optional(Type.String()) })),
  waiting: Type.Array(Type.String()),
  endpoints: Type.Record(Type.String(), Type.Union([Type.Literal('present'), Type.Literal('absent')])),
  signals: SignalsSchema,
  observed: Type.Object({
    hash: Type.String(),
    objects: Type.Optional(Type.Array(ObservedObjectSchema)),
    foreign: Type.Array(Type.Object({ space: Type.String(), text: Type.String() })),
  }),
  facts: Type.Record(Type.String(), Type.String()),
});

/** Kinds in the order of making, which the hash of a state follows. */
export const objectKindsV3: readonly string[] = [
  'namespace',
  'bridge',
  'vxlan',
  'flannel-vtep',
  'udp-relay',
  'veth',
  'address',
  'sysctl',
  'neighbour',
  'fdb',
  'udp-relay-peer',
  'route',
  'route-rule',
  'ipvs-timeouts',
  'virtual-server',
  'real-server',
  'mark',
  'source-kept',
  'source-rewrite',
  'rule-entry',
  'port-redirect',
  'endpoint-filter',
  'gateway-policy',
  'port-forward',
  'pod-forward',
  'pod-masquerade',
  'file',
  'dns-redirect',
  'dns-server',
  'dns-name',
  'dns-client',
];

/** What an agent of protocol 3 reads of `watch`. */
export const watchFieldsV3: readonly string[] = ['probes', 'nodes', 'draining', 'everySeconds'];

function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const name of Object.keys(fields).sort()) {
    const field = fields[name];
    if (field !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

/** Whether an agent of protocol 3 takes the state for whole: it hashes everything that came, what it does not know too. */
function isWholeV3({ hash, objects, cluster: _cluster, node: _node, ...rest }: NodeState): boolean {
  const rank = (key: string): number => objectKindsV3.indexOf(key.slice(0, key.indexOf('/')));
  const sorted = objects.toSorted((a, b) => rank(a.key) - rank(b.key) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  let text = '';
  for (const object of sorted) text += `${object.key} ${object.hash}\n`;
  return hashText(text + canonicalJson(rest)) === hash;
}

/** What an agent of protocol 3 finds wrong with an answer to its question; undefined where it takes it. */
export function refusalOfAgentV3(desired: { readonly protocol: number; readonly state: NodeState }): string | undefined {
  if (desired.protocol !== PROTOCOL_V3) return `the control plane speaks protocol ${desired.protocol}, this agent ${PROTOCOL_V3}`;
  return isWholeV3(desired.state) ? undefined : 'the state is not that of its hash';
}

/** The schema with nothing allowed that it does not name. Release 3 let that pass, and kept it without knowing what it was. */
export function closed(schema: TSchema): TSchema {
  const copy: unknown = JSON.parse(JSON.stringify(schema), (_name, value: unknown) =>
    typeof value === 'object' && value !== null && 'properties' in value ? { ...value, additionalProperties: false } : value,
  );
  return copy as TSchema;
}
