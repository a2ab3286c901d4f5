import { type Id, portolanError } from '@portolan/model';
import { type ProgrammedPlace, programmedServices, programmedStates } from '../application/programmed.js';
import { type BackendTraffic, type Counted, type NodeTraffic, type ServiceTraffic, trafficOfServices } from '../application/service-traffic.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';
import type { ObjectTypes } from './object-types.js';
import { together } from './together.js';
import type { ClusterView } from './views.js';

/** What is told of services, with the cluster that it is of. */
type Seen<T> = T & { readonly view: ClusterView };
type SentByNode = NodeTraffic['backends'][number];

interface Reads {
  readonly traffic: (id: Id) => Promise<ServiceTraffic | undefined>;
  readonly programmed: (id: Id) => Promise<readonly ProgrammedPlace[] | undefined>;
}
const readsOfViews = new WeakMap<ClusterView, Reads>();

/** All services that a query shows are read together. */
function readsOf(view: ClusterView): Reads {
  const known = readsOfViews.get(view);
  if (known !== undefined) return known;
  const reads: Reads = {
    traffic: together((ids: readonly Id[]) => trafficOfServices(view.ctx, view.snapshot, ids)),
    programmed: together((ids: readonly Id[]) => programmedServices(view.ctx, view.snapshot, ids)),
  };
  readsOfViews.set(view, reads);
  return reads;
}

/** Adds to services what is counted of them, and where they are programmed. */
export function registerServiceTypes(builder: Builder, inputs: InputTypes, { service, endpoint, node, network }: ObjectTypes): void {
  const counted = builder.interfaceRef<Counted>('Counted').implement({
    description: 'What IPVS has counted; all but what is there now since the real servers were made.',
    fields: (t) => ({
      connections: t.exposeFloat('connections', { description: 'Connections that were scheduled.' }),
      perSecond: t.float({
        nullable: true,
        description: 'Of them in a second, between the two newest readings of each node; null where there are no two.',
        resolve: ({ perSecond }) => perSecond,
      }),
      active: t.exposeFloat('active', { description: 'Connections that are there now.' }),
      inactive: t.exposeFloat('inactive', { description: 'Connections that have ended and are not yet forgotten.' }),
      inPackets: t.exposeFloat('inPackets', { description: 'From clients.' }),
      outPackets: t.exposeFloat('outPackets', { description: 'To clients; 0 with direct server return.' }),
      inBytes: t.exposeFloat('inBytes'),
      outBytes: t.exposeFloat('outBytes'),
    }),
  });
  const backend = builder.objectRef<Seen<BackendTraffic>>('BackendTraffic').implement({
    interfaces: [counted],
    fields: (t) => ({
      endpoint: t.field({ type: endpoint, resolve: (own) => own.view.of<'endpoint'>(own.endpoint) }),
      share: t.exposeFloat('share', { description: 'Of the connections of the service, in percent.' }),
    }),
  });
  const sent = builder.objectRef<Seen<SentByNode>>('BackendOfNode').implement({
    description: 'What one node has sent to one endpoint.',
    interfaces: [counted],
    fields: (t) => ({ endpoint: t.field({ type: endpoint, resolve: (own) => own.view.of<'endpoint'>(own.endpoint) }) }),
  });
  const nodeTraffic = builder.objectRef<Seen<NodeTraffic>>('NodeTraffic').implement({
    interfaces: [counted],
    fields: (t) => ({
      node: t.field({ type: node, resolve: (own) => own.view.of<'node'>(own.node) }),
      readAt: t.exposeString('readAt', { description: 'By the clock of its agent.' }),
      backends: t.field({ type: [sent], resolve: ({ view, backends }) => backends.map((own) => ({ ...own, view })) }),
    }),
  });
  const traffic = builder.objectRef<Seen<ServiceTraffic>>('ServiceTraffic').implement({
    description: 'What the nodes have counted of a service, summed over nodes and namespaces.',
    interfaces: [counted],
    fields: (t) => ({
      readAt: t.string({ nullable: true, description: 'Of the newest reading; null where no agent has told any.', resolve: ({ readAt }) => readAt }),
      backends: t.field({
        type: [backend],
        description: 'Every endpoint of the service, by name.',
        resolve: ({ view, backends }) => backends.map((own) => ({ ...own, view })),
      }),
      nodes: t.field({ type: [nodeTraffic], description: 'The nodes that have told.', resolve: ({ view, nodes }) => nodes.map((own) => ({ ...own, view })) }),
    }),
  });
  const place = builder.objectRef<Seen<ProgrammedPlace>>('ProgrammedPlace').implement({
    description: 'One virtual server of a service on one node.',
    fields: (t) => ({
      node: t.field({ type: node, resolve: (own) => own.view.of<'node'>(own.node) }),
      network: t.field({ type: network, resolve: (own) => own.view.of<'network'>(own.network) }),
      space: t.exposeString('space', { description: 'Network namespace.' }),
      mark: t.exposeInt('mark'),
      local: t.exposeBoolean('local', { description: "Whether it balances among the node's own endpoints only." }),
      virtualServer: t.field({
        type: inputs.enumOf('ProgrammedState', programmedStates),
        description: 'unknown: the node has not reported.',
        resolve: ({ virtualServer }) => virtualServer,
      }),
      realServers: t.int({
        nullable: true,
        description: 'That are there as they should be; null: the node has not reported.',
        resolve: ({ realServers }) => realServers,
      }),
      wantedRealServers: t.exposeInt('wantedRealServers', { description: 'That should be there.' }),
      faults: t.stringList({ description: 'Keys of what is missing, different, or there although it should not be.', resolve: ({ faults }) => [...faults] }),
      computedRevision: t.exposeInt('computedRevision'),
      appliedRevision: t.exposeInt('appliedRevision'),
    }),
  });
  builder.objectFields(service, (t) => ({
    traffic: t.field({
      type: traffic,
      description: 'Requests by backend, as IPVS of the nodes has counted them; with dnsrr nobody counts.',
      resolve: async ({ view, noun }) => {
        const told = await readsOf(view).traffic(noun.id);
        if (told === undefined) throw portolanError('internal', '', `service ${noun.id} has no traffic`);
        return { ...told, view };
      },
    }),
    programmed: t.field({
      type: [place],
      description: 'Its virtual server on each node, as it should be and as it is.',
      resolve: async ({ view, noun }) => ((await readsOf(view).programmed(noun.id)) ?? []).map((own) => ({ ...own, view })),
    }),
  }));
}
