import { type Ipv4, isHostAddress, type Manifest, parseCidr, parseIpv4 } from '@portolan/model';
import type { Swarm, SwarmNetwork, SwarmService } from './facts.js';
import type { ManifestNames } from './manifest-names.js';

type Services = NonNullable<Manifest['services']>;

const alias = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const MAX_ALIASES = 64;

/** The services that are on overlays; one that is on none has nothing that Portolan programs. */
export function manifestServices({ services, networks }: Swarm, names: ManifestNames, notes: string[]): Services {
  const networkOf = new Map(networks.map((network) => [network.id, network]));
  return services.flatMap((service) => serviceSpec(service, networkOf, names, notes));
}

function serviceSpec(service: SwarmService, networkOf: ReadonlyMap<string, SwarmNetwork>, names: ManifestNames, notes: string[]): Services {
  const { id, name, mode, vips, networks } = service;
  const told = (words: string): unknown => notes.push(`the service "${name}" ${words}`);
  const ports = portSpecs(service, networkOf, told);
  const meshed = ports.some((port) => port.mode !== 'host');
  const aliases = new Map(networks.map((own) => [own.networkId, own.aliases]));
  // With dnsrr there are no VIPs, and of the networks of an update that goes on some are not in the spec any more.
  const ids = new Set([...networks.map(({ networkId }) => networkId), ...vips.map(({ networkId }) => networkId)]);
  const places = [...ids].flatMap((networkId) => {
    const network = networkOf.get(networkId);
    const known = names.networks.get(networkId);
    if (network === undefined || known === undefined || (network.ingress && !meshed)) return [];
    const vip = mode === 'vip' ? vips.find((own) => own.networkId === networkId)?.address : undefined;
    if (mode === 'vip' && vip === undefined) told(`has no VIP on "${network.name}" yet: it gets one`);
    const isKept = vip !== undefined && isInFirst(network, vip);
    if (vip !== undefined && !isKept) told(`has the VIP ${vip} on "${network.name}", which is not in its first subnet: it gets another one`);
    const given = network.ingress ? [] : (aliases.get(networkId) ?? []);
    const own = given.filter((text) => alias.test(text)).slice(0, MAX_ALIASES);
    for (const lost of given.filter((text) => !own.includes(text))) told(`loses the alias "${lost}" on "${network.name}": Portolan does not take it`);
    return [{ network: known, ...(isKept ? { vip } : {}), ...(own.length === 0 ? {} : { aliases: own }) }];
  });
  if (places.length === 0) {
    told('is on no overlay network: it is left out');
    return [];
  }
  return [
    { name: names.services.get(id) ?? name, ...(mode === 'dnsrr' ? { endpointMode: mode } : {}), networks: places, ...(ports.length === 0 ? {} : { ports }) },
  ];
}

type Ports = NonNullable<Services[number]['ports']>;

function portSpecs({ ports, networks }: SwarmService, networkOf: ReadonlyMap<string, SwarmNetwork>, told: (words: string) => unknown): Ports {
  const leadsOut = networks.some(({ networkId }) => networkOf.get(networkId)?.internal === false);
  return ports.flatMap(({ protocol, target, published, mode }): Ports => {
    if (mode === 'host' && !leadsOut) {
      told(`publishes ${published}/${protocol} on its nodes, but has no overlay network with a way out: the port is left out`);
      return [];
    }
    if (published === 0) told(`publishes ${target}/${protocol} on ports that Docker chooses for each task: Portolan chooses one for all`);
    return [{ target, ...(published === 0 ? {} : { published }), ...(protocol === 'tcp' ? {} : { protocol }), ...(mode === 'host' ? { mode } : {}) }];
  });
}

/** Whether an address is where Portolan has VIPs and addresses of nodes. */
export function isInFirst({ subnets: [first] }: Pick<SwarmNetwork, 'subnets'>, address: Ipv4): boolean {
  return first !== undefined && isHostAddress(parseCidr(first.subnet), parseIpv4(address));
}
