import {
  type Cluster,
  ClusterSettingsSchema,
  EndpointSpecSchema,
  errorCatalogue,
  IdSchema,
  ManifestSchema,
  NameSchema,
  NetworkSpecSchema,
  NodeSpecSchema,
  type NounKind,
  nounKinds,
  ServiceSpecSchema,
  traffics,
} from '@portolan/model';
import { type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { jobStatuses } from '../application/history.js';
import { changesetComponents } from './changeset-schemas.js';
import { credentialComponents } from './credential-schemas.js';
import { driftComponents, failureFields, nodeErrors } from './drift-schemas.js';
import { flannelComponents } from './flannel-schemas.js';
import { refTo } from './operation.js';
import { serviceComponents } from './service-schemas.js';

const closed = { additionalProperties: false } as const;
const time = (description: string): TSchema => Type.String({ format: 'date-time', description });
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);
const words = (...choices: readonly string[]): TSchema => Type.Union(choices.map((choice) => Type.Literal(choice)));
const revision = Type.Integer({ minimum: 0, description: 'Counts the commits to the intent of a cluster.' });
const freeForm = (description: string): TSchema => Type.Record(Type.String(), Type.Unknown(), { description });

const NodeStatus = Type.Object(
  {
    id: IdSchema,
    name: NameSchema,
    alive: nullable(Type.Boolean({ description: 'Whether the agent holds its lease in etcd; null while etcd does not say.' })),
    generation: Type.Integer({ description: 'Counts the changes of the state of this node.' }),
    stateHash: Type.String({ description: "Hash of the node's newest state." }),
    computedRevision: revision,
    appliedRevision: revision,
    lastReportAt: nullable(time('When the agent last reported.')),
    lastStatus: nullable(words('applied', 'failed')),
    lastErrors: nodeErrors,
    ...failureFields,
    lastWaiting: Type.Array(Type.String(), { description: 'Keys of objects that wait for an absent namespace.' }),
    facts: Type.Record(Type.String(), Type.String(), { description: 'Kernel and tools of the host, as its agent found them.' }),
  },
  closed,
);

/** An object of a cluster as it is read: its spec with every value filled in, its identity and version. */
function representation(spec: TObject, more: TProperties = {}): TSchema {
  return Type.Object(
    { id: IdSchema, version: Type.Integer({ minimum: 1, description: 'Counts the changes of the object; its ETag.' }), ...spec.properties, ...more },
    closed,
  );
}

const PoolUsage = Type.Object(
  {
    pool: words('subnets', 'addresses', 'marks', 'vnis', 'ports'),
    name: Type.String({ description: 'Of addresses: the network; of ports: the protocol; else empty.' }),
    networkId: nullable(IdSchema),
    range: Type.String({ description: 'What is given from.' }),
    size: Type.Integer({ minimum: 0 }),
    used: Type.Integer({ minimum: 0 }),
    retired: Type.Integer({ minimum: 0, description: 'Given up, but a node may still hold it.' }),
    free: Type.Integer({ minimum: 0 }),
    by: Type.Record(Type.String(), Type.Integer(), { description: 'How many are used by what.' }),
  },
  closed,
);

const Drain = Type.Object(
  {
    revision: Type.Integer({ minimum: 1, description: 'What every node that takes part has to apply.' }),
    deadline: time('Then connections that are left no longer count.'),
    removes: Type.Boolean({ description: 'Whether the endpoint is deleted when it is drained.' }),
    drained: Type.Boolean({ description: 'It is safe to stop the endpoint.' }),
    acknowledgedBy: Type.Array(NameSchema, { description: 'Nodes that send it no new connections any more.' }),
    pending: Type.Array(NameSchema, { description: 'Nodes that have not said so yet.' }),
    connections: nullable(Type.Integer({ minimum: 0, description: 'Connections that it still has; null: not counted yet.' })),
  },
  { ...closed, description: 'How far an endpoint is that leaves.' },
);

const nodeFields = {
  condition: Type.Unsafe({
    ...words('unknown', 'up', 'silent', 'unreachable'),
    description: 'silent: its agent is gone, and others look whether the host answers; unreachable: it does not, and its endpoints are sent nothing.',
  }),
  underlayMtu: nullable(Type.Integer({ description: 'MTU of the interface with its address, in bytes; null before it reported.' })),
  underlayLink: nullable(Type.String({ description: 'Name of that interface; null before it reported.' })),
  onLink: Type.Array(Type.String(), { description: 'Subnets that the host reaches without a gateway.' }),
  status: refTo('NodeStatus'),
};
const networkFields = {
  effectiveMtu: Type.Integer({ description: 'MTU inside the overlay, in bytes: the given one, or the computed one.' }),
  usage: Type.Unsafe({ ...PoolUsage, description: 'Its addresses.' }),
};
const endpointFields = {
  presence: Type.Unsafe({ ...words('unknown', 'present', 'absent'), description: 'What its agent sees of its namespace.' }),
  health: Type.Unsafe({ ...words('unknown', 'healthy', 'unhealthy'), description: 'By the health check of its service.' }),
  traffic: Type.Unsafe({
    ...words(...traffics),
    description: 'What it is sent: everything by its weight; only packets of connections that it has; nothing.',
  }),
  gatewayAddress: nullable(Type.String({ description: 'Its host-local address, by which it reaches out.' })),
  flannelAddress: nullable(Type.String({ description: 'In the flannel network; null when it is not in it, and until its node has a subnet.' })),
  drain: nullable(Drain),
};

/** What a change or a finding can be of. */
const changeKinds = ['cluster', ...nounKinds, 'flannel', 'lease'] as const;
const Change = Type.Object({ action: words('create', 'change', 'delete'), kind: words(...changeKinds), name: Type.String() }, closed);

const Step = Type.Object({ action: words('create', 'replace', 'delete'), key: Type.String(), reason: Type.String() }, closed);
const Plan = Type.Object(
  { from: Type.String(), to: Type.String(), steps: Type.Array(Step), waiting: Type.Array(Type.String()) },
  { ...closed, description: 'What leads from the state of hash `from` to that of hash `to`.' },
);
const jobLine = {
  id: Type.String(),
  node: NameSchema,
  generation: Type.Integer(),
  revision,
  status: words(...jobStatuses),
  createdAt: time('When it was computed.'),
  finishedAt: nullable(time('When the agent was done with it.')),
  plan: refTo('Plan'),
};

const ProblemLine = Type.Object(
  {
    code: words(...Object.keys(errorCatalogue)),
    path: Type.String({ description: 'JSON pointer into the document that was sent; `?NAME` for a query parameter; empty for the whole.' }),
    message: Type.String(),
    fix: Type.String({ description: 'What to do about it.' }),
  },
  closed,
);

const { message: _message, ...problemHead } = ProblemLine.properties;

/** Named schemas of the OpenAPI document. */
export const components: Readonly<Record<string, TSchema>> = {
  Problem: Type.Object(
    { type: Type.String(), title: Type.String(), status: Type.Integer(), detail: Type.String(), ...problemHead, problems: Type.Array(ProblemLine) },
    { ...closed, description: 'Problem details (RFC 9457). The first problem gives code and status.' },
  ),
  ClusterSettings: ClusterSettingsSchema,
  ClusterSettingsPatch: Type.Partial(ClusterSettingsSchema),
  Cluster: Type.Object({ id: IdSchema, name: NameSchema, revision, settings: refTo('ClusterSettings') }, closed),
  Manifest: ManifestSchema,
  NodeSpec: NodeSpecSchema,
  NetworkSpec: NetworkSpecSchema,
  ServiceSpec: ServiceSpecSchema,
  EndpointSpec: EndpointSpecSchema,
  Node: representation(NodeSpecSchema, nodeFields),
  Network: representation(NetworkSpecSchema, networkFields),
  Service: representation(ServiceSpecSchema),
  Endpoint: representation(EndpointSpecSchema, endpointFields),
  ...credentialComponents,
  ...flannelComponents,
  ...driftComponents,
  ...changesetComponents,
  ...serviceComponents,
  PoolUsage,
  NodeStatus,
  ClusterStatus: Type.Object(
    { cluster: NameSchema, intentRevision: revision, computedRevision: revision, appliedRevision: revision, nodes: Type.Array(refTo('NodeStatus')) },
    { ...closed, description: 'The revisions of a cluster are the lowest of its nodes.' },
  ),
  Applied: Type.Object(
    { revision, changed: Type.Boolean({ description: 'False when everything was so already.' }), changes: Type.Array(Change) },
    { ...closed, description: 'What a manifest changed, or would change.' },
  ),
  Revision: Type.Object(
    {
      revision,
      actor: Type.String(),
      from: nullable(Type.String({ description: 'Address that the request came from; null of what agents and tasks note.' })),
      summary: Type.String(),
      createdAt: time('When it was committed.'),
      changes: Type.Array(Change),
    },
    closed,
  ),
  DesiredNodeState: Type.Object(
    {
      generation: Type.Integer(),
      revision,
      state: Type.Object({
        cluster: NameSchema,
        node: NameSchema,
        hash: Type.String(),
        address: Type.String({ description: 'Of the host on the underlay.' }),
        watch: freeForm('What the agent looks at besides its kernel: probes, silent nodes, draining endpoints.'),
        endpoints: freeForm('Name and attachment of each endpoint on the node, by id.'),
        objects: Type.Array(
          Type.Object({
            key: Type.String(),
            hash: Type.String(),
            space: Type.String({ description: 'Network namespace.' }),
            body: freeForm('What the object is, in words that name no tool.'),
            origin: freeForm('What made it: network, service, endpoint.'),
          }),
        ),
      }),
    },
    closed,
  ),
  ObservedNodeState: Type.Object(
    {
      hash: Type.String(),
      observedAt: time('When the agent looked.'),
      objects: Type.Array(
        Type.Object({ key: Type.String(), hash: Type.String(), space: Type.String(), kind: Type.String(), body: Type.Optional(Type.Unknown()) }),
      ),
      foreign: Type.Array(Type.Object({ space: Type.String(), text: Type.String() })),
    },
    closed,
  ),
  Finding: Type.Object(
    {
      severity: words('block', 'warn'),
      code: Type.String(),
      subject: Type.Object({ kind: words(...changeKinds), id: IdSchema, name: Type.String() }),
      field: Type.String({ description: 'Property of the object, empty for the whole of it.' }),
      message: Type.String(),
      fix: Type.String(),
    },
    closed,
  ),
  Plan,
  JobLine: Type.Object(jobLine, closed),
  Job: Type.Object({ ...jobLine, report: nullable(freeForm('The last report that named this job: steps, commands with their output, errors.')) }, closed),
};

/** Names of the component schemas of a kind. */
export const nounComponents = {
  node: { spec: 'NodeSpec', object: 'Node' },
  network: { spec: 'NetworkSpec', object: 'Network' },
  service: { spec: 'ServiceSpec', object: 'Service' },
  endpoint: { spec: 'EndpointSpec', object: 'Endpoint' },
} as const satisfies Record<NounKind, { readonly spec: string; readonly object: string }>;

export function pageOfSchema(component: string): TSchema {
  return Type.Object(
    { items: Type.Array(refTo(component)), nextCursor: nullable(Type.String({ description: 'Send it as `cursor` for the next page; null on the last.' })) },
    closed,
  );
}

/** A cluster as REST shows it. */
export function clusterRepresentation({ id, name, revision: newest, settings }: Cluster): Cluster {
  return { id, name, revision: newest, settings };
}
