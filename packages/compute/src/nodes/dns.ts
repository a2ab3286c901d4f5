import { type Ipv4, ipv4Value, trafficOf } from '@portolan/model';
import { compareKeys, type DnsNameBody, type KernelObject, kernelObject, type Origin, type RuleEntryBody } from '@portolan/node-state';
import { endpointSpace } from '../names.js';
import { type ClusterRoster, type Member, type NetworkRoster, type Offered, type Resident, trafficTo } from '../roster.js';
import { oncePer } from '../shared.js';

/** Of our name server at 127.0.0.11 in the namespace of an endpoint, UDP and TCP; 53 leads there. */
const DNS_PORT = 11053;

const entries: readonly Omit<RuleEntryBody, 'kind'>[] = [
  { table: 'nat', stage: 'output' },
  { table: 'nat', stage: 'postrouting' },
];

/** A name while the things that have it are gathered. */
interface Name {
  readonly origin: Origin;
  readonly addresses: Set<Ipv4>;
  /** The service whose members are told more, with the addresses that only they are told. */
  own: { readonly service: string; readonly addresses: readonly Ipv4[] } | undefined;
  reverse: boolean;
}

/**
 * The names of one network, the same on every node that has it. A VIP's name exists as soon as its service does; what
 * leads to endpoints leads to those that take new connections, and the name stays when there are none.
 */
export const networkNames = oncePer((roster: NetworkRoster): readonly KernelObject[] => {
  const { network, offered, members } = roster;
  // Containers of published services are nobody's neighbours there (swarm: nothing of ingress is ever named).
  if (network.ingress) return [];
  const names = new Map<string, Name>();
  const add = (text: string, addresses: readonly Ipv4[], origin: Origin, more: Partial<Pick<Name, 'own' | 'reverse'>> = {}): void => {
    const name = text.toLowerCase();
    const known = names.get(name) ?? { origin, addresses: new Set(), own: undefined, reverse: false };
    names.set(name, known);
    for (const address of addresses) known.addresses.add(address);
    known.own ??= more.own;
    if (more.reverse === true) known.reverse = true;
  };

  for (const { service, place, members: ofService } of byName(offered, ({ service: { name } }) => name)) {
    const origin: Origin = { computedBy: 'dns', network: network.name, service: service.name };
    const serving = ofService.filter((member) => trafficTo(member) === 'all').map(({ address }) => address);
    const own = ownOf(service, ofService);
    for (const name of [service.name, ...place.aliases]) {
      if (place.address !== null) add(name, [place.address], origin);
      else add(name, serving, origin, { own });
      add(`tasks.${name}`, serving, origin, { own });
    }
  }
  for (const member of byName(members, ({ endpoint: { name } }) => name)) {
    if (!isThere(member)) continue;
    const { endpoint, service, address } = member;
    const origin: Origin = { computedBy: 'dns', network: network.name, ...(service === null ? {} : { service: service.name }), endpoint: endpoint.name };
    add(endpoint.name, [address], origin, { reverse: true });
    for (const alias of endpoint.aliases) add(alias, [address], origin);
  }
  return [...names]
    .map(([name, gathered]) => kernelObject('host', nameBody(network.name, name, gathered), gathered.origin))
    .sort((a, b) => compareKeys(a.key, b.key));
});

/** An endpoint has its own names while it is there and does not leave, whether healthy or not. */
function isThere({ endpoint, node }: Member): boolean {
  return trafficOf(endpoint, null, node) === 'all';
}

/** Members of a service with a health check find each other before they are healthy: many need that to become it. */
function ownOf({ name, healthCheck }: Offered['service'], members: readonly Member[]): Name['own'] {
  return healthCheck === null ? undefined : { service: name, addresses: members.filter(isThere).map(({ address }) => address) };
}

function nameBody(network: string, name: string, { addresses, own, reverse }: Name): DnsNameBody {
  const told = own === undefined ? addresses : new Set([...addresses, ...own.addresses]);
  return {
    kind: 'dns-name',
    network,
    name,
    addresses: ascending(addresses),
    ...(own === undefined || told.size === addresses.size ? {} : { own: { service: own.service, addresses: ascending(told) } }),
    ...(reverse ? { reverse } : {}),
  };
}

function ascending(addresses: ReadonlySet<Ipv4>): readonly Ipv4[] {
  return [...addresses].sort((a, b) => (ipv4Value(a) ?? 0) - (ipv4Value(b) ?? 0));
}

function byName<T>(things: readonly T[], nameOf: (thing: T) => string): readonly T[] {
  return things.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

const serverObject = oncePer(
  ({ settings }: ClusterRoster): KernelObject =>
    kernelObject('host', { kind: 'dns-server', ttl: settings.dnsTtl, upstreams: settings.dnsServers }, { computedBy: 'dns' }),
);

/** The name server of one node, and the endpoints that ask it: those with a network that has names. */
export function nameServerObjects(roster: ClusterRoster, residents: readonly Resident[]): KernelObject[] {
  const clients = residents.flatMap((resident) => clientObjects(roster, resident));
  return clients.length === 0 ? [] : [serverObject(roster), ...clients];
}

function clientObjects(roster: ClusterRoster, { endpoint, service }: Resident): KernelObject[] {
  // In the order in which they were named, which people take for that of the search.
  const order = service === null ? endpoint.addresses : service.networks;
  const networks = order.flatMap(({ networkId }) => {
    const network = roster.networkOf.get(networkId);
    return network === undefined || network.ingress || !endpoint.addresses.some((held) => held.networkId === networkId) ? [] : [network.name];
  });
  if (networks.length === 0) return [];
  const space = endpointSpace(endpoint.id);
  const origin: Origin = { computedBy: 'dns', ...(service === null ? {} : { service: service.name }), endpoint: endpoint.name };
  const forwards = endpoint.gatewayAddress !== null;
  return [
    ...entries.map((entry) => kernelObject(space, { kind: 'rule-entry', ...entry }, origin)),
    kernelObject(space, { kind: 'dns-redirect', port: DNS_PORT }, origin),
    kernelObject(space, { kind: 'dns-client', port: DNS_PORT, networks, ...(service === null ? {} : { service: service.name }), forwards }, origin),
  ];
}
