import type { PoolUsage } from '@portolan/ipam';
import { type HealthCheckSpec, type IpvsTimeouts, type NounKind, protocols } from '@portolan/model';
import { objectNamed } from '../application/objects.js';
import type { DrainStatus } from '../application/representations.js';
import type { Builder } from './builder.js';
import type { InputTypes } from './inputs.js';
import type { ClusterView, NounView } from './views.js';

/** A value that names a network. */
interface InNetwork {
  readonly view: ClusterView;
  /** Name of the network. */
  readonly network: string;
}

export interface AddressView extends InNetwork {
  readonly address: string;
}

export interface ServiceNetworkView extends InNetwork {
  readonly vip?: string;
  readonly mark?: number;
  readonly aliases?: readonly string[];
}

export interface PortView {
  readonly published?: number;
  readonly target: number;
  readonly protocol?: string;
  readonly mode?: string;
  readonly externalTrafficPolicy?: string;
  readonly addresses?: readonly string[];
  readonly interfaces?: readonly string[];
}

interface SubnetView {
  readonly subnet: string;
  readonly gateway?: string;
  readonly vni?: number;
}

export type NounRefs = { readonly [K in NounKind]: ReturnType<typeof nounRef<K>> };

function nounRef<K extends NounKind>(builder: Builder, name: string) {
  return builder.objectRef<NounView<K>>(name);
}

/** The four nouns, to be implemented. */
export function nounRefs(builder: Builder): NounRefs {
  return {
    node: nounRef<'node'>(builder, 'Node'),
    network: nounRef<'network'>(builder, 'Network'),
    service: nounRef<'service'>(builder, 'Service'),
    endpoint: nounRef<'endpoint'>(builder, 'Endpoint'),
  };
}

export function poolUsageType(builder: Builder, inputs: InputTypes) {
  return builder.objectRef<PoolUsage>('PoolUsage').implement({
    description: 'How much of a pool is used, and by what.',
    fields: (t) => ({
      pool: t.field({ type: inputs.enumOf('Pool', ['subnets', 'addresses', 'marks', 'vnis', 'ports']), resolve: ({ pool }) => pool }),
      name: t.exposeString('name', { description: 'Of addresses: the network; of ports: the protocol; else empty.' }),
      networkId: t.id({ nullable: true, resolve: ({ networkId }) => networkId }),
      range: t.exposeString('range'),
      size: t.exposeFloat('size'),
      used: t.exposeFloat('used'),
      retired: t.exposeFloat('retired', { description: 'Given up, but a node may still hold it.' }),
      free: t.exposeFloat('free'),
      by: t.field({ type: 'JSON', description: 'How many are used by what.', resolve: ({ by }) => by }),
    }),
  });
}

export type PoolUsageType = ReturnType<typeof poolUsageType>;

/** The parts of the nouns. */
export function valueTypes(builder: Builder, inputs: InputTypes, { network }: NounRefs) {
  const networkOf = ({ view, network: name }: InNetwork): NounView<'network'> => view.of<'network'>(objectNamed(view.snapshot, 'network', name));
  const networkAddress = builder.objectRef<AddressView>('NetworkAddress').implement({
    fields: (t) => ({ network: t.field({ type: network, resolve: networkOf }), address: t.exposeString('address') }),
  });
  const serviceNetwork = builder.objectRef<ServiceNetworkView>('ServiceNetwork').implement({
    description: 'A network of a service; with dnsrr it has neither VIP nor mark.',
    fields: (t) => ({
      network: t.field({ type: network, resolve: networkOf }),
      vip: t.exposeString('vip', { nullable: true }),
      mark: t.exposeInt('mark', { nullable: true }),
      aliases: t.stringList({ resolve: ({ aliases = [] }) => [...aliases] }),
    }),
  });
  const publishedPort = builder.objectRef<PortView>('PublishedPort').implement({
    fields: (t) => ({
      published: t.int({ resolve: ({ published = 0 }) => published }),
      target: t.exposeInt('target'),
      protocol: t.field({ type: inputs.enumOf('Protocol', protocols), resolve: ({ protocol = 'tcp' }) => protocol }),
      mode: t.field({ type: inputs.enumOf('Mode', ['ingress', 'host']), resolve: ({ mode = 'ingress' }) => mode }),
      externalTrafficPolicy: t.field({
        type: inputs.enumOf('ExternalTrafficPolicy', ['cluster', 'local']),
        resolve: ({ externalTrafficPolicy = 'cluster' }) => externalTrafficPolicy,
      }),
      addresses: t.stringList({ nullable: true, description: 'null: all addresses of the hosts.', resolve: ({ addresses }) => listOf(addresses) }),
      interfaces: t.stringList({ nullable: true, description: 'null: all interfaces of the hosts.', resolve: ({ interfaces }) => listOf(interfaces) }),
    }),
  });
  const subnet = builder.objectRef<SubnetView>('Subnet').implement({
    description: 'Another subnet of a network.',
    fields: (t) => ({
      subnet: t.exposeString('subnet'),
      gateway: t.exposeString('gateway', { nullable: true }),
      vni: t.exposeInt('vni', { nullable: true }),
    }),
  });
  const ipvsTimeouts = builder.objectRef<IpvsTimeouts>('IpvsTimeouts').implement({
    description: 'Seconds without a packet after which IPVS forgets a connection.',
    fields: (t) => ({ tcp: t.exposeInt('tcp'), tcpFin: t.exposeInt('tcpFin'), udp: t.exposeInt('udp') }),
  });
  const healthCheck = builder.objectRef<HealthCheckSpec>('HealthCheck').implement({
    fields: (t) => ({
      kind: t.field({ type: inputs.enumOf('HealthCheckKind', ['tcp', 'http']), resolve: ({ kind }) => kind }),
      port: t.exposeInt('port'),
      path: t.string({ nullable: true, resolve: (check) => (check.kind === 'http' ? check.path : null) }),
      intervalMs: t.exposeInt('intervalMs', { nullable: true }),
      timeoutMs: t.exposeInt('timeoutMs', { nullable: true }),
      failures: t.exposeInt('failures', { nullable: true }),
      successes: t.exposeInt('successes', { nullable: true }),
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
  const drain = builder.objectRef<DrainStatus>('Drain').implement({
    description: 'How far an endpoint is that leaves.',
    fields: (t) => ({
      revision: t.exposeInt('revision', { description: 'What every node that takes part has to apply.' }),
      deadline: t.exposeString('deadline', { description: 'Then connections that are left no longer count.' }),
      removes: t.exposeBoolean('removes', { description: 'Whether the endpoint is deleted when it is drained.' }),
      drained: t.exposeBoolean('drained', { description: 'It is safe to stop the endpoint.' }),
      acknowledgedBy: t.stringList({ resolve: ({ acknowledgedBy }) => [...acknowledgedBy] }),
      pending: t.stringList({ resolve: ({ pending }) => [...pending] }),
      connections: t.int({ nullable: true, description: 'null: not counted yet.', resolve: ({ connections }) => connections }),
    }),
  });
  return { networkAddress, serviceNetwork, publishedPort, subnet, ipvsTimeouts, healthCheck, attachment, drain };
}

function listOf(words: readonly string[] | undefined): string[] | null {
  return words === undefined ? null : [...words];
}
