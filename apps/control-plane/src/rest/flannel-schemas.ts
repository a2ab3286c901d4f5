import { FlannelSpecSchema, NameSchema } from '@portolan/model';
import { type TSchema, Type } from 'typebox';

const closed = { additionalProperties: false } as const;
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);

const specExample = {
  network: '10.244.0.0/16',
  backend: { type: 'vxlan' },
  reservations: [
    { node: 'node-a', subnet: '10.244.1.0/24' },
    { node: 'node-b', subnet: '10.244.2.0/24' },
  ],
};
const effectiveExample = {
  ...specExample,
  prefix: '/coreos.com/network',
  subnetLen: 24,
  subnetMin: '10.244.1.0',
  subnetMax: '10.244.255.0',
  backend: { type: 'vxlan', vni: 1, port: 8472, gbp: false, learning: false, directRouting: false },
  masquerade: true,
  cni: true,
};
const leaseExample = {
  key: '10.244.1.0-24',
  subnet: '10.244.1.0/24',
  node: 'node-a',
  foreign: false,
  publicAddress: '172.16.130.140',
  backendType: 'vxlan',
  vni: 1,
  vtepMac: '3a:c6:11:c1:b0:f0',
  reserved: true,
  secondsLeft: null,
  fault: null,
  reason: null,
  appliedRevision: 7,
  kernel: { inSync: true, device: 'flannel.1', wanted: 19, found: 19, differing: [], relay: null },
};
const foreignExample = {
  ...leaseExample,
  key: '10.244.3.0-24',
  subnet: '10.244.3.0/24',
  node: null,
  foreign: true,
  publicAddress: '172.16.130.150',
  vtepMac: '96:f0:23:7d:9a:15',
  reserved: false,
  secondsLeft: 81234,
  appliedRevision: null,
  kernel: null,
};

const count = (description: string): TSchema => Type.Integer({ minimum: 0, description });

const Relay = Type.Object(
  {
    sent: count('Packets from containers that were sent to peers.'),
    received: count('Packets of peers.'),
    sentBytes: count('Bytes of those that were sent.'),
    receivedBytes: count('Bytes of those that were received.'),
    dropped: Type.Record(Type.String(), Type.Integer(), { description: 'By reason.' }),
    queued: count('Bytes that wait in the receive buffer of its socket.'),
  },
  { ...closed, description: 'Counters of the relay of the udp backend since it began.' },
);

const Kernel = Type.Object(
  {
    inSync: Type.Boolean({ description: 'All is there as it should be, and nothing else.' }),
    device: nullable(Type.String({ description: 'Of the backend that is chosen; null where it has none.' })),
    wanted: count('Objects that should be there.'),
    found: count('Those of them that are there as they should be.'),
    differing: Type.Array(Type.String(), { description: 'Keys of objects that are missing, different, or there without being wanted; the first five.' }),
    relay: nullable(Relay),
  },
  { ...closed, description: 'What the node has, by its last report.' },
);

const LeaseRow = Type.Object(
  {
    key: nullable(Type.String({ description: 'Name of its key in the registry; null: the node has no lease, see reason.' })),
    subnet: nullable(Type.String({ description: 'null where the key cannot be read.' })),
    node: nullable(NameSchema),
    foreign: Type.Boolean({ description: 'flanneld, or somebody else, wrote it.' }),
    publicAddress: nullable(Type.String({ description: 'Where packets to the subnet are sent.' })),
    backendType: nullable(Type.String({ description: 'As in the registry; udp where it names none.' })),
    vni: nullable(Type.Integer()),
    vtepMac: nullable(Type.String()),
    reserved: Type.Boolean({ description: 'It has no end.' }),
    secondsLeft: nullable(Type.Number({ description: 'Until it ends unless it is renewed; null of a reservation, and where etcd does not say.' })),
    fault: nullable(Type.String({ description: 'What is wrong with the entry.' })),
    reason: nullable(Type.String({ description: 'Why the node has no lease.' })),
    appliedRevision: nullable(Type.Integer({ minimum: 0, description: 'Newest revision that the node has applied; null of foreign ones.' })),
    kernel: nullable(Kernel),
  },
  closed,
);

/** Of the OpenAPI document. */
export const flannelComponents: Readonly<Record<string, TSchema>> = {
  FlannelSpec: Type.Object(FlannelSpecSchema.properties, { ...closed, examples: [specExample] }),
  Flannel: Type.Object(
    {
      ...FlannelSpecSchema.properties,
      version: Type.Integer({ minimum: 1, description: 'Counts the changes of the network; its ETag.' }),
      leaving: Type.Boolean({ description: 'It is on its way out.' }),
    },
    { ...closed, examples: [{ ...specExample, version: 1, leaving: false }] },
  ),
  FlannelStatus: Type.Object(
    {
      phase: Type.Union([Type.Literal('active'), Type.Literal('switching'), Type.Literal('leaving')], {
        description: 'switching: a change of backend is on its way, and nodes hold both ways.',
      }),
      switching: nullable(
        Type.Object({ from: Type.Array(Type.String()), to: Type.String() }, { ...closed, description: 'Paths: udp, host-gw, or vxlan/VNI.' }),
      ),
      waitsFor: Type.Object(
        {
          nodes: Type.Array(NameSchema, { description: 'Nodes that have not applied the change, or what followed from it.' }),
          foreign: Type.Array(Type.String(), { description: 'Public addresses of foreign nodes that still have an earlier backend.' }),
        },
        { ...closed, description: 'What keeps the earlier backends.' },
      ),
      etcd: Type.Boolean({ description: 'Whether etcd answers; while it does not, leases are as they were seen last.' }),
      spec: Type.Unsafe({ ...FlannelSpecSchema, description: 'With every value filled in.' }),
      leases: Type.Array(LeaseRow, { description: 'By subnet; nodes without a lease last.' }),
    },
    {
      ...closed,
      examples: [
        { phase: 'active', switching: null, waitsFor: { nodes: [], foreign: [] }, etcd: true, spec: effectiveExample, leases: [leaseExample, foreignExample] },
      ],
    },
  ),
};
