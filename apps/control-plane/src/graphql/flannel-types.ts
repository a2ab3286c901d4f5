import type { FlannelBackend } from '@portolan/model';
import { flannelRepresentation } from '../application/flannel-commands.js';
import { type FlannelStatus, flannelStatus, type KernelRow, type LeaseRow } from '../application/flannel-status.js';
import { objectNamed } from '../application/objects.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';
import type { ObjectTypes } from './object-types.js';
import type { ClusterView } from './views.js';

interface ReservationView {
  readonly view: ClusterView;
  /** Its name. */
  readonly node: string;
  readonly subnet: string;
}

/** The flannel network of a cluster, as REST shows it. */
export function flannelType(builder: Builder, inputs: InputTypes, objects: ObjectTypes) {
  const status = flannelStatusType(builder, inputs);
  const backend = builder.objectRef<FlannelBackend>('FlannelBackend').implement({
    description: 'How packets cross between hosts. An option that is null is left out, so that the default counts.',
    fields: (t) => ({
      type: t.string({ resolve: ({ type }) => type }),
      vni: t.int({ nullable: true, resolve: (own) => vxlanOf(own)?.vni ?? null }),
      port: t.int({ nullable: true, resolve: (own) => (own.type === 'host-gw' ? null : (own.port ?? null)) }),
      gbp: t.boolean({ nullable: true, resolve: (own) => vxlanOf(own)?.gbp ?? null }),
      learning: t.boolean({ nullable: true, resolve: (own) => vxlanOf(own)?.learning ?? null }),
      directRouting: t.boolean({ nullable: true, resolve: (own) => vxlanOf(own)?.directRouting ?? null }),
      mtu: t.int({ nullable: true, resolve: (own) => vxlanOf(own)?.mtu ?? null }),
    }),
  });
  const reservation = builder.objectRef<ReservationView>('FlannelReservation').implement({
    description: 'A subnet that is kept for a node.',
    fields: (t) => ({
      node: t.field({ type: objects.node, resolve: ({ view, node }) => view.of<'node'>(objectNamed(view.snapshot, 'node', node)) }),
      subnet: t.exposeString('subnet'),
    }),
  });
  return builder.objectRef<ClusterView>('Flannel').implement({
    description: 'The flannel network: a subnet for each node. What is null was left out.',
    fields: (t) => {
      const shown = ({ snapshot }: ClusterView) => flannelRepresentation(snapshot);
      return {
        version: t.int({ resolve: (view) => shown(view).version }),
        leaving: t.boolean({ description: 'It is on its way out.', resolve: (view) => shown(view).leaving }),
        spec: t.field({ type: 'JSON', description: 'As it was set: setting it again changes nothing.', resolve: specOf }),
        prefix: t.string({ nullable: true, description: 'Of the registry in etcd.', resolve: (view) => shown(view).prefix ?? null }),
        network: t.string({ resolve: (view) => shown(view).network }),
        subnetLen: t.int({ nullable: true, resolve: (view) => shown(view).subnetLen ?? null }),
        subnetMin: t.string({ nullable: true, resolve: (view) => shown(view).subnetMin ?? null }),
        subnetMax: t.string({ nullable: true, resolve: (view) => shown(view).subnetMax ?? null }),
        backend: t.field({ type: backend, resolve: (view) => shown(view).backend }),
        masquerade: t.boolean({ resolve: (view) => shown(view).masquerade ?? true }),
        cni: t.boolean({ resolve: (view) => shown(view).cni ?? true }),
        reservations: t.field({ type: [reservation], resolve: (view) => (shown(view).reservations ?? []).map((own) => ({ view, ...own })) }),
        registry: t.field({
          type: 'JSON',
          nullable: true,
          description: 'Further fields of the configuration.',
          resolve: (view) => shown(view).registry ?? null,
        }),
        leases: t.field({
          type: [objects.flannelLease],
          description: 'Of all nodes, foreign ones too.',
          resolve: (view) => [...view.snapshot.flannelLeases.values()].map((lease) => ({ view, lease })),
        }),
        status: t.field({
          type: status,
          args: {
            node: t.arg.string({ description: 'Only the row of this node.' }),
            kernel: t.arg.boolean({
              description: 'Compare the kernels of the nodes; true for one node and for clusters of at most 100 nodes unless given.',
            }),
          },
          resolve: ({ ctx, snapshot }, { node, kernel }) => flannelStatus(ctx, snapshot, { node: node ?? undefined, kernel: kernel ?? undefined }),
        }),
      };
    },
  });
}

function specOf({ snapshot }: ClusterView): object {
  const { version: _version, leaving: _leaving, ...spec } = flannelRepresentation(snapshot);
  return spec;
}

function vxlanOf(backend: FlannelBackend) {
  return backend.type === 'vxlan' ? backend : undefined;
}

function flannelStatusType(builder: Builder, inputs: InputTypes) {
  const kernel = builder.objectRef<KernelRow>('FlannelKernel').implement({
    description: 'What a node has of flannel, by its last report.',
    fields: (t) => ({
      inSync: t.exposeBoolean('inSync'),
      device: t.exposeString('device', { nullable: true, description: 'Of the backend that is chosen; null where it has none.' }),
      wanted: t.exposeInt('wanted', { description: 'Objects that should be there.' }),
      found: t.exposeInt('found', { description: 'Those of them that are there as they should be.' }),
      differing: t.stringList({
        description: 'Keys of objects that are missing, different, or there without being wanted; the first five.',
        resolve: ({ differing }) => [...differing],
      }),
      relay: t.field({ type: 'JSON', nullable: true, description: 'Counters of the relay of the udp backend.', resolve: ({ relay }) => relay ?? null }),
    }),
  });
  const row = builder.objectRef<LeaseRow>('FlannelLeaseStatus').implement({
    description: 'A lease, or a node of ours that has none.',
    fields: (t) => ({
      key: t.exposeString('key', { nullable: true, description: 'null: the node has no lease, see reason.' }),
      subnet: t.exposeString('subnet', { nullable: true }),
      node: t.exposeString('node', { nullable: true, description: 'Name of the node; null: foreign, or unreadable.' }),
      foreign: t.exposeBoolean('foreign'),
      publicAddress: t.exposeString('publicAddress', { nullable: true }),
      backendType: t.exposeString('backendType', { nullable: true }),
      vni: t.exposeInt('vni', { nullable: true }),
      vtepMac: t.exposeString('vtepMac', { nullable: true }),
      reserved: t.exposeBoolean('reserved'),
      secondsLeft: t.exposeFloat('secondsLeft', { nullable: true, description: 'Until it ends unless it is renewed.' }),
      fault: t.exposeString('fault', { nullable: true }),
      reason: t.exposeString('reason', { nullable: true, description: 'Why the node has no lease.' }),
      appliedRevision: t.exposeInt('appliedRevision', { nullable: true }),
      kernel: t.field({ type: kernel, nullable: true, resolve: (own) => own.kernel }),
    }),
  });
  const switching = builder.objectRef<NonNullable<FlannelStatus['switching']>>('FlannelSwitching').implement({
    description: 'A change of backend on its way; paths are udp, host-gw, or vxlan/VNI.',
    fields: (t) => ({ from: t.stringList({ resolve: ({ from }) => [...from] }), to: t.string({ resolve: ({ to }) => to }) }),
  });
  const waitsFor = builder.objectRef<FlannelStatus['waitsFor']>('FlannelWaitsFor').implement({
    description: 'What keeps the earlier backends.',
    fields: (t) => ({ nodes: t.stringList({ resolve: ({ nodes }) => [...nodes] }), foreign: t.stringList({ resolve: ({ foreign }) => [...foreign] }) }),
  });
  return builder.objectRef<FlannelStatus>('FlannelStatus').implement({
    description: 'Who owns which subnet, for how long, and what the kernels have.',
    fields: (t) => ({
      phase: t.field({ type: inputs.enumOf('FlannelPhase', ['active', 'switching', 'leaving']), resolve: ({ phase }) => phase }),
      switching: t.field({ type: switching, nullable: true, resolve: (own) => own.switching }),
      waitsFor: t.field({ type: waitsFor, resolve: (own) => own.waitsFor }),
      etcd: t.exposeBoolean('etcd', { description: 'Whether etcd answers.' }),
      spec: t.field({ type: 'JSON', description: 'With every value filled in.', resolve: ({ spec }) => spec }),
      leases: t.field({ type: [row], resolve: ({ leases }) => [...leases] }),
    }),
  });
}
