import {
  type Cidr,
  type ClusterSettings,
  type Ipv4,
  isHostAddress,
  type NetworkSpec,
  type NounKind,
  type Problem,
  parseCidr,
  parseIpv4,
  problem,
  type Subnet,
} from '@portolan/model';
import { collect, pointerTo } from './problems.js';
import { endpointProblems, serviceProblems } from './service-values.js';
import type { NounSpecs } from './types.js';

/** What a schema cannot say about the values of a spec, without looking at the cluster. */
export function specProblems<K extends NounKind>(kind: K, spec: NounSpecs[K], path: string): readonly Problem[] {
  return valueRules[kind](spec, path);
}

const none: readonly Problem[] = [];

const valueRules: { readonly [K in NounKind]: (spec: NounSpecs[K], path: string) => readonly Problem[] } = {
  node: (spec, path) => {
    const address = parseIpv4(spec.address, `${path}/address`);
    return isUnicast({ first: address, last: address })
      ? none
      : [problem('invalid-address', `${path}/address`, `"${spec.address}" cannot be the address of a host: it is reserved or multicast`)];
  },
  network: networkProblems,
  service: serviceProblems,
  endpoint: endpointProblems,
};

function networkProblems(spec: NetworkSpec, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  if (spec.subnet !== undefined) problems.push(...subnetProblems(spec.subnet, spec.gateway, path));
  const vnis = new Set([spec.vni]);
  spec.extraSubnets?.forEach(({ subnet, gateway, vni }, i) => {
    const at = `${path}/extraSubnets/${i}`;
    problems.push(...subnetProblems(subnet, gateway, at));
    if (vni !== undefined && vnis.has(vni)) problems.push(problem('vni-taken', `${at}/vni`, `the VNI ${vni} is given twice in this network`));
    vnis.add(vni);
  });
  const exclude = (field: string, other: string, message: string): void => {
    problems.push(problem('unsupported-combination', `${path}/${field}`, message, `Leave out "${field}", or leave out "${other}".`));
  };
  if (spec.ingress === true) {
    if (spec.dsr === true) exclude('dsr', 'ingress', 'the ingress network has no direct server return: answers must pass the node that the client sent to');
    if (spec.internal === true) exclude('internal', 'ingress', 'the ingress network cannot be internal: clients outside the cluster are what it is for');
    if (spec.attachable === true) exclude('attachable', 'ingress', 'endpoints cannot join the ingress network by themselves');
    if ((spec.extraSubnets?.length ?? 0) > 0) exclude('extraSubnets', 'ingress', 'the ingress network has one subnet');
  }
  if (spec.dsr === true && (spec.extraSubnets?.length ?? 0) > 0) {
    exclude('extraSubnets', 'dsr', 'a network with direct server return has one subnet: endpoints must reach the client without a gateway');
  }
  return problems;
}

function subnetProblems(cidr: Cidr, gateway: Ipv4 | undefined, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  const subnet = collect(problems, () => parseNetworkSubnet(cidr, `${path}/subnet`, problems));
  if (subnet !== undefined && gateway !== undefined && !isHostAddress(subnet, parseIpv4(gateway))) {
    problems.push(problem('address-outside-network', `${path}/gateway`, `the gateway ${gateway} is not a host address of ${cidr}`));
  }
  return problems;
}

/** Prefix lengths that leave at least two host addresses and no more than a class A network. */
const PREFIX_LENGTHS = [8, 30] as const;

function parseNetworkSubnet(cidr: Cidr, path: string, problems: Problem[]): Subnet {
  const subnet = parseCidr(cidr, path);
  const [shortest, longest] = PREFIX_LENGTHS;
  if (subnet.prefixLength < shortest || subnet.prefixLength > longest) {
    const advice = `Choose a prefix length from ${shortest} to ${longest}.`;
    problems.push(problem('invalid-subnet', path, `"${cidr}" has ${subnet.prefixLength} prefix bits: a network needs ${shortest} to ${longest}`, advice));
  } else if (!isUnicast(subnet)) {
    const advice = 'Choose a private subnet, such as one inside 10.0.0.0/8.';
    problems.push(problem('invalid-subnet', path, `"${cidr}" is reserved, loopback or multicast`, advice));
  }
  return subnet;
}

const LOOPBACK = parseCidr('127.0.0.0/8');
const FIRST_UNICAST = parseIpv4('1.0.0.0');
const FIRST_MULTICAST = parseIpv4('224.0.0.0');

/** No part of it is "this network", loopback, multicast or reserved. A single loopback address is let through: a host may be a namespace. */
export function isUnicast({ first, last }: Pick<Subnet, 'first' | 'last'>): boolean {
  const loops = first !== last && first <= LOOPBACK.last && last >= LOOPBACK.first;
  return first >= FIRST_UNICAST && last < FIRST_MULTICAST && !loops;
}

/** What a schema cannot say about settings. */
export function settingsProblems(settings: Partial<ClusterSettings>, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  settings.addressPools?.forEach((pool, i) => {
    const at = path + pointerTo('addressPools', i);
    const subnet = collect(problems, () => parseCidr(pool, at));
    const needed = settings.subnetPrefixLength;
    if (subnet === undefined || needed === undefined || subnet.prefixLength <= needed) return;
    problems.push(
      problem('invalid-document', at, `the pool ${pool} is smaller than one subnet of /${needed}`, 'Give a larger pool or a longer subnetPrefixLength.'),
    );
  });
  for (const name of ['vniRange', 'markRange', 'dynamicPortRange'] as const) {
    const [first, last] = settings[name] ?? [0, 0];
    if (first > last)
      problems.push(problem('invalid-document', `${path}/${name}`, `the range ${first}-${last} ends before it begins`, 'Write the lower number first.'));
  }
  const { gatewaySubnet } = settings;
  if (gatewaySubnet !== undefined) {
    const at = `${path}/gatewaySubnet`;
    collect(problems, () => parseNetworkSubnet(gatewaySubnet, at, problems));
  }
  return problems;
}
