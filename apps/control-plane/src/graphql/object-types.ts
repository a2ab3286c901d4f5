import { specOf } from '@portolan/intent';
import { type NetworkAddress, protocols, type Service } from '@portolan/model';
import { listJobs } from '../application/history.js';
import { desiredNodeState, nodeDrift, observedNodeState, planLines } from '../application/nodes.js';
import { objectNamed } from '../application/objects.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';
import type { ProgressTypes } from './progress-types.js';
import type { ClusterView, NounView } from './views.js';

interface AddressView {
  readonly view: ClusterView;
  /** Name of the network. */
  readonly network: string;
  readonly address: string;
}

interface VirtualIpView extends AddressView {
  readonly mark: number;
}

interface PortView {
  readonly published: number;
  readonly target: number;
  readonly protocol: string;
}

/** The nouns, each related to the others. */
export function objectTypes(builder: Builder, inputs: InputTypes, progress: ProgressTypes) {
  const node = builder.objectRef<NounView<'node'>>('Node');
  const network = builder.objectRef<NounView<'network'>>('Network');
  const service = builder.objectRef<NounView<'service'>>('Service');
  const endpoint = builder.objectRef<NounView<'endpoint'>>('Endpoint');

  const networkOf = ({ view, network: name }: AddressView): NounView<'network'> => view.of<'network'>(objectNamed(view.snapshot, 'network', name));
  const networkAddress = builder.objectRef<AddressView>('NetworkAddress').implement({
    fields: (t) => ({ network: t.field({ type: network, resolve: networkOf }), address: t.exposeString('address') }),
  });
  const virtualIp = builder.objectRef<VirtualIpView>('VirtualIp').implement({
    fields: (t) => ({ network: t.field({ type: network, resolve: networkOf }), vip: t.exposeString('address'), mark: t.exposeInt('mark') }),
  });
  const publishedPort = builder.objectRef<PortView>('PublishedPort').implement({
    fields: (t) => ({
      published: t.exposeInt('published'),
      target: t.exposeInt('target'),
      protocol: t.field({ type: inputs.enumOf('Protocol', protocols), resolve: ({ protocol }) => protocol }),
    }),
  });
  const attachment = builder.objectRef<{ netns?: string; pid?: number; container?: string }>('Attachment').implement({
    description: 'Where the network namespace of an endpoint is: one of the three.',
    fields: (t) => ({
      netns: t.exposeString('netns', { nullable: true }),
      pid: t.exposeInt('pid', { nullable: true }),
      container: t.exposeString('container', { nullable: true }),
    }),
  });

  node.implement({
    description: 'A host.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      role: t.field({ type: inputs.enumOf('Role', ['manager', 'worker']), resolve: ({ noun }) => noun.role }),
      availability: t.field({ type: inputs.enumOf('Availability', ['active', 'pause', 'drain']), resolve: ({ noun }) => noun.availability }),
      address: t.string({ resolve: ({ noun }) => noun.address }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
      loadBalancers: t.field({
        type: [networkAddress],
        description: 'The source address of its load balancer in each network.',
        resolve: ({ view, noun }) => addressesOf(view, noun.loadBalancers),
      }),
      networks: t.field({ type: [network], resolve: ({ view, noun }) => view.list('network', { node: noun.name }) }),
      services: t.field({ type: [service], resolve: ({ view, noun }) => view.list('service', { node: noun.name }) }),
      endpoints: t.field({ type: [endpoint], resolve: ({ view, noun }) => view.list('endpoint', { node: noun.name }) }),
      status: t.field({ type: progress.nodeStatus, resolve: ({ view, noun }) => view.nodeStatus(noun.id) }),
      state: t.field({
        type: progress.nodeState,
        args: { generation: t.arg.int() },
        nullable: true,
        resolve: ({ view, noun }, { generation }) => desiredNodeState(view.ctx, view.snapshot, noun.name, generation ?? undefined),
      }),
      observed: t.field({ type: progress.observedState, nullable: true, resolve: ({ view, noun }) => observedNodeState(view.ctx, view.snapshot, noun.name) }),
      drift: t.field({
        type: progress.plan,
        nullable: true,
        resolve: async ({ view, noun }) => planLines(await nodeDrift(view.ctx, view.snapshot, noun.name)),
      }),
      jobs: t.field({
        type: [progress.job],
        args: { limit: t.arg.int({ defaultValue: 20 }) },
        resolve: async ({ view, noun }, { limit }) => [...(await listJobs(view.ctx, view.snapshot, { node: noun.name }, limit ?? 20)).items],
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
      mtu: t.int({ resolve: ({ noun }) => noun.mtu }),
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
      scheduler: t.field({ type: inputs.enumOf('Scheduler', ['rr', 'wrr', 'lc', 'wlc', 'sh']), resolve: ({ noun }) => noun.scheduler }),
      networks: t.field({ type: [virtualIp], resolve: ({ view, noun }) => virtualIpsOf(view, noun) }),
      ports: t.field({ type: [publishedPort], resolve: ({ view, noun }) => portsOf(view, noun) }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
      endpoints: t.field({ type: [endpoint], resolve: ({ view, noun }) => view.list('endpoint', { service: noun.name }) }),
      nodes: t.field({ type: [node], resolve: ({ view, noun }) => view.list('node', { service: noun.name }) }),
    }),
  });

  endpoint.implement({
    description: 'A container that answers for a service.',
    fields: (t) => ({
      id: t.id({ resolve: ({ noun }) => noun.id }),
      version: t.int({ resolve: ({ noun }) => noun.version }),
      name: t.string({ resolve: ({ noun }) => noun.name }),
      service: t.field({ type: service, resolve: ({ view, noun }) => view.at<'service'>(view.snapshot.services, noun.serviceId) }),
      node: t.field({ type: node, resolve: ({ view, noun }) => view.at<'node'>(view.snapshot.nodes, noun.nodeId) }),
      attachment: t.field({ type: attachment, resolve: ({ noun }) => noun.attachment }),
      weight: t.int({ resolve: ({ noun }) => noun.weight }),
      addresses: t.field({ type: [networkAddress], resolve: ({ view, noun }) => addressesOf(view, noun.addresses) }),
      presence: t.field({ type: inputs.enumOf('Presence', ['unknown', 'present', 'absent']), resolve: ({ noun }) => noun.presence }),
      labels: t.field({ type: 'JSON', resolve: ({ noun }) => noun.labels }),
    }),
  });

  return { node, network, service, endpoint };
}

export type ObjectTypes = ReturnType<typeof objectTypes>;

/** By name of the network. */
function addressesOf(view: ClusterView, addresses: readonly NetworkAddress[]): AddressView[] {
  return addresses.map(({ networkId, address }) => ({ view, network: view.networkName(networkId), address })).sort((a, b) => (a.network < b.network ? -1 : 1));
}

function virtualIpsOf(view: ClusterView, service: Service): VirtualIpView[] {
  return service.vips
    .map(({ networkId, address, mark }) => ({ view, network: view.networkName(networkId), address, mark }))
    .sort((a, b) => (a.network < b.network ? -1 : 1));
}

/** In the order in which REST shows them. */
function portsOf(view: ClusterView, service: Service): PortView[] {
  return (specOf(view.snapshot, 'service', service).ports ?? []).map(({ published = 0, target, protocol = 'tcp' }) => ({ published, target, protocol }));
}
