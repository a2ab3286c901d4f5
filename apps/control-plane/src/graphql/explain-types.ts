import {
  type Divergence,
  type Explanation,
  type FlowChange,
  type Hop,
  hopKinds,
  type LeaseTrail,
  type ObjectRef,
  type OuterHeaders,
  outcomes,
  type PacketHeaders,
  type Path,
  type Place,
  type Reached,
  type Resolution,
  ruleEffects,
  transports,
  type Verdict,
} from '@portolan/explain';
import { changesetFlows, explainFlow, reachedFlows } from '../application/explain.js';
import type { Builder } from './builder.js';
import type { ClusterType } from './cluster-type.js';
import type { InputTypes } from './inputs.js';
import { lengthAsked } from './lengths.js';

/** Names of GraphQL's enumerations have no hyphen. */
const wordOf = (text: string): string => text.replaceAll('-', '_');

/** Flows of an answer, unless more are asked for. */
const FLOWS = 1000;
const MOST_FLOWS = 10_000;

const differences = ['missing', 'different', 'unexpected', 'obstructed'] as const;

/** Any packet explained: what `explain` of REST answers, type by type. */
export function registerExplain(builder: Builder, inputs: InputTypes, cluster: ClusterType): void {
  const transport = inputs.enumOf('Transport', transports);
  const outcome = inputs.enumOf('Outcome', outcomes.map(wordOf));
  const object = builder.objectRef<ObjectRef>('ObjectRef').implement({
    description: 'One object of a node state, and what in the intent put it there.',
    fields: (t) => ({
      node: t.exposeString('node'),
      key: t.exposeString('key'),
      kind: t.string({ resolve: ({ kind }) => kind }),
      origin: t.field({ type: 'JSON', nullable: true, description: 'null: no state has it.', resolve: ({ origin }) => origin }),
    }),
  });
  const place = builder.objectRef<Place>('Place').implement({
    description: 'Where a hop happens.',
    fields: (t) => ({
      node: t.exposeString('node', { nullable: true }),
      space: t.string({ resolve: ({ space }) => space }),
      title: t.exposeString('title'),
    }),
  });
  const outer = builder.objectRef<OuterHeaders>('OuterHeaders').implement({
    description: 'The packet around a packet.',
    fields: (t) => ({
      kind: t.string({ description: 'vxlan or relay.', resolve: ({ kind }) => kind }),
      source: t.exposeString('source'),
      destination: t.exposeString('destination'),
      port: t.exposeInt('port'),
      vni: t.exposeInt('vni', { nullable: true }),
      overhead: t.exposeInt('overhead', { description: 'Bytes.' }),
      ttl: t.exposeInt('ttl'),
    }),
  });
  const packet = builder.objectRef<PacketHeaders>('PacketHeaders').implement({
    fields: (t) => ({
      source: t.exposeString('source'),
      destination: t.exposeString('destination'),
      transport: t.field({ type: transport, resolve: (own) => own.transport }),
      sourcePort: t.exposeInt('sourcePort', { nullable: true }),
      destinationPort: t.exposeInt('destinationPort', { nullable: true }),
      ttl: t.exposeInt('ttl'),
      mark: t.exposeFloat('mark', { description: '0: none.' }),
      size: t.exposeInt('size', { description: 'Bytes of the IP packet.' }),
      df: t.exposeBoolean('df'),
      outer: t.field({ type: outer, nullable: true, resolve: (own) => own.outer }),
    }),
  });
  const hop = builder.objectRef<Hop>('Hop').implement({
    fields: (t) => ({
      kind: t.field({ type: inputs.enumOf('HopKind', hopKinds.map(wordOf)), resolve: ({ kind }) => wordOf(kind) }),
      place: t.field({ type: place, resolve: (own) => own.place }),
      device: t.exposeString('device', { nullable: true }),
      text: t.exposeString('text'),
      effect: t.field({ type: inputs.enumOf('RuleEffect', ruleEffects), nullable: true, resolve: ({ effect }) => effect }),
      before: t.field({ type: packet, resolve: ({ before }) => before }),
      after: t.field({ type: packet, resolve: ({ after }) => after }),
      object: t.field({ type: object, nullable: true, description: 'null: the kernel by itself.', resolve: (own) => own.object }),
    }),
  });
  const verdict = builder.objectRef<Verdict>('Verdict').implement({
    fields: (t) => ({
      outcome: t.field({ type: outcome, resolve: (own) => wordOf(own.outcome) }),
      to: t.exposeString('to', { nullable: true }),
      hop: t.exposeInt('hop', { nullable: true, description: 'Index of the hop at which it ends.' }),
      inReply: t.exposeBoolean('inReply'),
      object: t.field({ type: object, nullable: true, description: 'What is to blame.', resolve: (own) => own.object }),
      reason: t.exposeString('reason'),
      fix: t.exposeString('fix', { nullable: true }),
    }),
  });
  const path = builder.objectRef<Path>('Path').implement({
    description: 'The way by one real server.',
    fields: (t) => ({
      backend: t.exposeString('backend', { nullable: true }),
      share: t.exposeFloat('share', { description: 'Of new connections, 0 to 1: evenly with the schedulers rr and lc, by weights with the others.' }),
      forward: t.field({ type: [hop], resolve: ({ forward }) => [...forward] }),
      reply: t.field({ type: [hop], resolve: ({ reply }) => [...reply] }),
      verdict: t.field({ type: verdict, resolve: (own) => own.verdict }),
    }),
  });
  const resolution = builder.objectRef<Resolution>('Resolution').implement({
    description: 'How a name was turned into addresses.',
    fields: (t) => ({
      name: t.exposeString('name'),
      addresses: t.stringList({ resolve: ({ addresses }) => [...addresses] }),
      object: t.field({ type: object, nullable: true, resolve: (own) => own.object }),
      text: t.exposeString('text'),
    }),
  });
  const divergence = builder.objectRef<Divergence>('Divergence').implement({
    description: 'A place on the way at which the kernels are not as they should be.',
    fields: (t) => ({
      object: t.field({ type: object, resolve: (own) => own.object }),
      difference: t.field({ type: inputs.enumOf('Difference', differences), resolve: (own) => own.difference }),
      text: t.exposeString('text'),
      decisive: t.exposeBoolean('decisive'),
    }),
  });
  const trail = builder.objectRef<LeaseTrail>('LeaseTrail').implement({
    description: 'How a node knows where a container of the flannel network lives.',
    fields: (t) => ({
      node: t.exposeString('node'),
      registryKey: t.exposeString('registryKey'),
      subnet: t.exposeString('subnet'),
      host: t.exposeString('host'),
      backend: t.exposeString('backend'),
      lines: t.stringList({ resolve: ({ lines }) => [...lines] }),
    }),
  });
  const explanation = builder.objectRef<Explanation>('Explanation').implement({
    description: 'One flow, hop by hop.',
    fields: (t) => ({
      revision: t.exposeInt('revision'),
      view: t.string({ description: 'desired or observed.', resolve: ({ view }) => view }),
      from: t.exposeString('from'),
      to: t.exposeString('to'),
      transport: t.field({ type: transport, resolve: (own) => own.transport }),
      resolution: t.field({ type: resolution, nullable: true, description: 'null: an address was asked for.', resolve: (own) => own.resolution }),
      paths: t.field({ type: [path], resolve: ({ paths }) => [...paths] }),
      verdict: t.field({ type: verdict, description: 'The worst of all paths.', resolve: (own) => own.verdict }),
      divergences: t.field({ type: [divergence], resolve: ({ divergences }) => [...divergences] }),
      trails: t.field({ type: [trail], resolve: ({ trails }) => [...trails] }),
    }),
  });

  const reached = builder.objectRef<Reached>('Reached').implement({
    description: 'One client and one destination.',
    fields: (t) => ({
      from: t.exposeString('from'),
      to: t.exposeString('to'),
      node: t.exposeString('node', { nullable: true, description: 'That a client outside dials.' }),
      outcome: t.field({ type: outcome, resolve: (own) => wordOf(own.outcome) }),
      reason: t.exposeString('reason'),
      delivered: t.exposeInt('delivered', { description: 'Paths that are delivered.' }),
      paths: t.exposeInt('paths'),
      backends: t.stringList({ resolve: ({ backends }) => [...backends] }),
    }),
  });
  const flowChange = builder.objectRef<FlowChange>('FlowChange').implement({
    description: 'A flow that a change ends, begins or moves.',
    fields: (t) => ({
      from: t.exposeString('from'),
      to: t.exposeString('to'),
      node: t.exposeString('node', { nullable: true }),
      before: t.field({ type: outcome, nullable: true, resolve: ({ before }) => (before === null ? null : wordOf(before)) }),
      after: t.field({ type: outcome, nullable: true, resolve: ({ after }) => (after === null ? null : wordOf(after)) }),
      gained: t.stringList({ resolve: ({ gained }) => [...gained] }),
      lost: t.stringList({ resolve: ({ lost }) => [...lost] }),
      text: t.exposeString('text'),
    }),
  });

  builder.objectFields(cluster, (t) => ({
    reach: t.field({
      type: [reached],
      description: 'What reaches what: every client and every VIP and published port.',
      args: { from: t.arg.string(), to: t.arg.string(), observed: t.arg.boolean(), limit: t.arg.int({ defaultValue: FLOWS }) },
      resolve: async ({ ctx, snapshot }, { from, to, observed, limit }) => {
        const most = lengthAsked(limit, FLOWS, MOST_FLOWS);
        return [...(await reachedFlows(ctx, snapshot, { from: from ?? undefined, to: to ?? undefined }, observed === true ? 'observed' : 'desired', most))];
      },
    }),
    changesetFlows: t.field({
      type: [flowChange],
      description: 'Which flows a changeset would change.',
      args: { id: t.arg.id({ required: true }) },
      resolve: async ({ ctx, snapshot }, { id }) => [...(await changesetFlows(ctx, snapshot, id))],
    }),
    explain: t.field({
      type: explanation,
      nullable: true,
      description: 'Where a packet goes, through which rules, and why it does not arrive.',
      args: {
        from: t.arg.string({ required: true, description: 'endpoint:NAME, node:NAME, outside or outside:ADDRESS.' }),
        to: t.arg.string({ required: true, description: 'NAME[:PORT][/tcp|/udp|/icmp], ADDRESS[:PORT], node:NAME:PORT or endpoint:NAME[:PORT].' }),
        node: t.arg.string({ description: 'That a client outside dials.' }),
        backend: t.arg.string({ description: 'Only the path by this endpoint.' }),
        size: t.arg.int({ description: 'Bytes of the IP packet; 60 unless given.' }),
        df: t.arg.boolean({ description: 'It may not be fragmented; true unless given.' }),
        observed: t.arg.boolean({ description: 'By what the agents last saw, instead of what should be there.' }),
      },
      resolve: ({ ctx, snapshot }, { from, to, node, backend, size, df, observed }) =>
        explainFlow(
          ctx,
          snapshot,
          { from, to, node: node ?? undefined, backend: backend ?? undefined, size: size ?? undefined, df: df ?? undefined },
          observed === true ? 'observed' : 'desired',
        ),
    }),
  }));
}
