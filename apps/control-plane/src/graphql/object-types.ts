import { specOf } from '@portolan/intent';
import { effectiveMtu, traffics, trafficTo } from '@portolan/model';
import { desiredNodeState, planLines } from '../application/nodes.js';
import { objectNamed } from '../application/objects.js';
import type { Builder } from './builder.js';
import { DRIFT_SHOWN, driftFilter } from './drift-types.js';
import { flannelParts } from './flannel-lease-type.js';
import type { InputTypes } from './inputs.js';
import { JOBS_SHOWN, lengthAsked } from './lengths.js';
import type { ProgressTypes } from './progress-types.js';
import { type AddressView, nounRefs, type PoolUsageType, type PortView, type ServiceNetworkView, valueTypes } from './value-types.js';
import { type ClusterView, type NounView, stateView } from './views.js';

/** The nouns, each related to the others. What a spec shows is read from the spec, so REST and GraphQL show the same. */
export function objectTypes(builder: Builder, inputs: InputTypes, progress: ProgressTypes, poolUsage: PoolUsageType) {
  const refs = nounRefs(builder);
  const { node, network, service, endpoint } = refs;
  const { networkAddress, serviceNetwork, publishedPort, subnet, ipvsTimeouts, healthCheck, attachment, drain } = valueTypes(builder, inputs, refs);

  const { lease: flannelLease, place: flannelPlace } = flannelParts(builder, refs);

  node.implement({
    description: 'A host.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      role: t.field({ type: inputs.enumOf('Role', ['manager', 'worker']), resolve: ({ noun }) => noun.role }),
      availability: t.field({ type: inputs.enumOf('Availability', ['active', 'pause', 'drain']), resolve: ({ noun }) => noun.availability }),
      address: t.string({ resolve: ({ noun }) => noun.address }),
      condition: t.field({
        type: inputs.enumOf('NodeCondition', ['unknown', 'up', 'silent', 'unreachable']),
        description: 'silent: its agent is gone, and others look whether the host answers; unreachable: it does not, and its endpoints are sent nothing.',
        resolve: ({ noun }) => noun.condition,
      }),
      underlayMtu: t.int({ nullable: true, description: 'MTU of the interface with its address.', resolve: ({ noun }) => noun.underlayMtu }),
      underlayLink: t.string({ nullable: true, description: 'Name of that interface.', resolve: ({ noun }) => noun.underlayLink }),
      onLink: t.stringList({ description: 'Subnets that the host reaches without a gateway.', resolve: ({ noun }) => [...noun.onLink] }),
      flannelLease: t.field({
        type: flannelLease,
        nullable: true,
        description: 'Its subnet of the flannel network.',
        resolve: ({ view, noun }) => view.lease(noun.id),
      }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
      loadBalancers: t.field({
        type: [networkAddress],
        description: 'The source address of its load balancer in each network.',
        resolve: ({ view, noun }) => loadBalancersOf(view, noun),
      }),
      networks: t.field({ type: [network], resolve: ({ view, noun }) => view.list('network', { node: noun.name }) }),
      services: t.field({ type: [service], resolve: ({ view, noun }) => view.list('service', { node: noun.name }) }),
      endpoints: t.field({ type: [endpoint], resolve: ({ view, noun }) => view.list('endpoint', { node: noun.name }) }),
      status: t.field({ type: progress.nodeStatus, resolve: ({ view, noun }) => view.nodeStatus(noun.id) }),
      state: t.field({
        type: progress.nodeState,
        args: { generation: t.arg.int() },
        nullable: true,
        resolve: async ({ view, noun }, { generation }) =>
          generation == null ? view.state(noun) : stateView(await desiredNodeState(view.ctx, view.snapshot, noun.name, generation)),
      }),
      observed: t.field({
        type: progress.observedState,
        nullable: true,
        description: 'Null before its first report.',
        resolve: ({ view, noun }) => view.observed(noun.id),
      }),
      drift: t.field({
        type: progress.plan,
        nullable: true,
        resolve: async ({ view, noun }) => planLines(await view.drift(noun)),
      }),
      driftEvents: t.field({
        type: [progress.drift.event],
        description: 'What was found that was not as it was applied, newest first.',
        args: { outcome: t.arg({ type: progress.drift.outcome }), limit: t.arg.int({ defaultValue: DRIFT_SHOWN }) },
        resolve: async ({ view, noun }, args) => [...(await view.driftEvents(noun.id, driftFilter(args)))],
      }),
      jobs: t.field({
        type: [progress.job],
        args: { limit: t.arg.int({ defaultValue: JOBS_SHOWN }) },
        resolve: async ({ view, noun }, { limit }) => [...(await view.jobs(noun.id, lengthAsked(limit, JOBS_SHOWN)))],
      }),
    }),
  });

  network.implement({
    description: 'An overlay network.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      ingress: t.boolean({ resolve: ({ noun }) => noun.ingress }),
      vni: t.int({ resolve: ({ noun }) => noun.vni }),
      subnet: t.string({ resolve: ({ noun }) => noun.subnet }),
      gateway: t.string({ resolve: ({ noun }) => noun.gateway }),
      extraSubnets: t.field({ type: [subnet], resolve: ({ noun }) => [...noun.extraSubnets] }),
      mtu: t.int({ nullable: true, description: 'null: computed.', resolve: ({ noun }) => noun.mtu }),
      effectiveMtu: t.int({
        description: 'MTU inside the overlay, in bytes: the given one, or the computed one.',
        resolve: ({ view, noun }) => effectiveMtu(view.snapshot, noun),
      }),
      internal: t.boolean({ resolve: ({ noun }) => noun.internal }),
      attachable: t.boolean({ resolve: ({ noun }) => noun.attachable }),
      dsr: t.boolean({ description: 'Direct server return.', resolve: ({ noun }) => noun.dsr }),
      ipvsTimeouts: t.field({ type: ipvsTimeouts, nullable: true, description: 'null: those of the cluster.', resolve: ({ noun }) => noun.ipvsTimeouts }),
      usage: t.field({ type: poolUsage, description: 'Its addresses.', resolve: ({ view, noun }) => view.usage(noun) }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
      nodes: t.field({ type: [node], resolve: ({ view, noun }) => view.list('node', { network: noun.name }) }),
      services: t.field({ type: [service], resolve: ({ view, noun }) => view.list('service', { network: noun.name }) }),
      endpoints: t.field({ type: [endpoint], resolve: ({ view, noun }) => view.list('endpoint', { network: noun.name }) }),
    }),
  });

  service.implement({
    description: 'Endpoints behind virtual IPs and published ports.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      endpointMode: t.field({ type: inputs.enumOf('EndpointMode', ['vip', 'dnsrr']), resolve: ({ noun }) => noun.endpointMode }),
      scheduler: t.field({ type: inputs.enumOf('Scheduler', ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh']), resolve: ({ noun }) => noun.scheduler }),
      persistence: t.int({ description: 'Session affinity in seconds; 0: none.', resolve: ({ noun }) => noun.persistence }),
      healthCheck: t.field({ type: healthCheck, nullable: true, resolve: ({ view, noun }) => specOf(view.snapshot, 'service', noun).healthCheck ?? null }),
      drainSeconds: t.int({ nullable: true, description: 'null: that of the cluster.', resolve: ({ noun }) => noun.drainSeconds }),
      networks: t.field({ type: [serviceNetwork], resolve: ({ view, noun }) => serviceNetworksOf(view, noun) }),
      ports: t.field({ type: [publishedPort], resolve: ({ view, noun }) => portsOf(view, noun) }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
      endpoints: t.field({ type: [endpoint], resolve: ({ view, noun }) => view.list('endpoint', { service: noun.name }) }),
      nodes: t.field({ type: [node], resolve: ({ view, noun }) => view.list('node', { service: noun.name }) }),
    }),
  });

  endpoint.implement({
    description: 'A container that answers for a service, or that joined networks by itself.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      service: t.field({
        type: service,
        nullable: true,
        description: 'null: it is by itself on the networks that it joins.',
        resolve: ({ view, noun }) => (noun.serviceId === null ? null : view.at<'service'>(view.snapshot.services, noun.serviceId)),
      }),
      networks: t.field({ type: [network], resolve: ({ view, noun }) => networksOf(view, noun) }),
      node: t.field({ type: node, resolve: ({ view, noun }) => view.at<'node'>(view.snapshot.nodes, noun.nodeId) }),
      attachment: t.field({ type: attachment, resolve: ({ noun }) => noun.attachment }),
      weight: t.int({ resolve: ({ noun }) => noun.weight }),
      addresses: t.field({ type: [networkAddress], resolve: ({ view, noun }) => addressesOf(view, noun) }),
      aliases: t.stringList({ resolve: ({ view, noun }) => [...(specOf(view.snapshot, 'endpoint', noun).aliases ?? [])] }),
      gatewayAddress: t.string({ nullable: true, description: 'Its host-local address, by which it reaches out.', resolve: ({ noun }) => noun.gatewayAddress }),
      flannel: t.field({ type: flannelPlace, nullable: true, description: 'null: it is not in the flannel network.', resolve: ({ noun }) => noun.flannel }),
      presence: t.field({ type: inputs.enumOf('Presence', ['unknown', 'present', 'absent']), resolve: ({ noun }) => noun.presence }),
      health: t.field({ type: inputs.enumOf('Health', ['unknown', 'healthy', 'unhealthy']), resolve: ({ noun }) => noun.health }),
      traffic: t.field({
        type: inputs.enumOf('Traffic', traffics),
        description: 'What it is sent: everything by its weight; only packets of connections that it has; nothing.',
        resolve: ({ view, noun }) => trafficTo(view.snapshot, noun),
      }),
      drain: t.field({ type: drain, nullable: true, description: 'How far it is, when it leaves.', resolve: ({ view, noun }) => view.drain(noun) }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
    }),
  });

  return { node, network, service, endpoint, flannelLease };
}

export type ObjectTypes = ReturnType<typeof objectTypes>;

/** By name of the network. */
function loadBalancersOf(view: ClusterView, { loadBalancers }: NounView<'node'>['noun']): AddressView[] {
  return loadBalancers
    .map(({ networkId, address }) => ({ view, network: view.networkName(networkId), address }))
    .sort((a, b) => (a.network < b.network ? -1 : 1));
}

function addressesOf(view: ClusterView, noun: NounView<'endpoint'>['noun']): AddressView[] {
  return (specOf(view.snapshot, 'endpoint', noun).addresses ?? []).map((held) => ({ view, ...held }));
}

function networksOf(view: ClusterView, noun: NounView<'endpoint'>['noun']): NounView<'network'>[] {
  return addressesOf(view, noun).map(({ network }) => view.of<'network'>(objectNamed(view.snapshot, 'network', network)));
}

function serviceNetworksOf(view: ClusterView, noun: NounView<'service'>['noun']): ServiceNetworkView[] {
  return (specOf(view.snapshot, 'service', noun).networks ?? []).map((own) => ({ view, ...own }));
}

function portsOf(view: ClusterView, noun: NounView<'service'>['noun']): PortView[] {
  return [...(specOf(view.snapshot, 'service', noun).ports ?? [])];
}
