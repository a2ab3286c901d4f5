import {
  type ClusterSettings,
  type Endpoint,
  formatIpv4,
  type Id,
  type Manifest,
  type Network,
  type NetworkAddress,
  type Node,
  parseCidr,
  parseIpv4,
  type Service,
  type Snapshot,
} from '@portolan/model';

/** A complete manifest of a cluster that is empty, as a snapshot: everything is taken in order, the lowest free value first. */
export function settledManifest(base: Snapshot, manifest: Manifest, newId: () => Id): Snapshot {
  const settings: ClusterSettings = { ...base.cluster.settings, ...manifest.settings };
  const ids = {
    nodes: named(manifest.nodes, newId),
    networks: named(manifest.networks, newId),
    services: named(manifest.services, newId),
    endpoints: named(manifest.endpoints, newId),
  };
  const vnis = new Pool(
    settings.vniRange,
    (manifest.networks ?? []).flatMap((n) => [n.vni, ...(n.extraSubnets ?? []).map((e) => e.vni)]),
  );
  const marks = new Pool(
    settings.markRange,
    (manifest.services ?? []).flatMap((s) => (s.networks ?? []).map((n) => n.mark)),
  );
  const [pool = '10.0.0.0/8'] = settings.addressPools;
  let nextSubnet = parseCidr(pool).first;
  const networks = (manifest.networks ?? []).map((spec): Network => {
    const subnet = spec.subnet ?? `${formatIpv4(nextSubnet)}/${settings.subnetPrefixLength}`;
    if (spec.subnet === undefined) nextSubnet += 2 ** (32 - settings.subnetPrefixLength);
    return {
      id: spec.id ?? idOf(ids.networks, spec.name),
      name: spec.name,
      version: 1,
      labels: spec.labels ?? {},
      ingress: spec.ingress ?? false,
      vni: spec.vni ?? vnis.take(),
      subnet,
      gateway: spec.gateway ?? formatIpv4(parseCidr(subnet).first + 1),
      extraSubnets: (spec.extraSubnets ?? []).map((extra) => ({
        subnet: extra.subnet,
        gateway: extra.gateway ?? formatIpv4(parseCidr(extra.subnet).first + 1),
        vni: extra.vni ?? vnis.take(),
      })),
      mtu: spec.mtu ?? null,
      internal: spec.internal ?? false,
      attachable: spec.attachable ?? false,
      dsr: spec.dsr ?? false,
      ipvsTimeouts: spec.ipvsTimeouts ?? null,
    };
  });
  const networkOf = (name: string): Network => networks.find((network) => network.name === name) ?? fail(name);
  const byId = new Map(networks.map((network) => [network.id, network]));
  const ingress = networks.find((network) => network.ingress);
  const pinned = new Map<Id, string[]>(networks.map((n) => [n.id, [n.gateway]]));
  for (const service of manifest.services ?? [])
    for (const own of service.networks ?? []) if (own.vip !== undefined) pinned.get(networkOf(own.network).id)?.push(own.vip);
  for (const own of manifest.endpoints ?? []) for (const at of own.addresses ?? []) pinned.get(networkOf(at.network).id)?.push(at.address);
  const addresses = new Map(
    networks.map((n) => {
      const { first, last } = parseCidr(n.subnet);
      return [
        n.id,
        new Pool(
          [first + 1, last - 1],
          (pinned.get(n.id) ?? []).map((a) => parseIpv4(a)),
        ),
      ];
    }),
  );
  const takeAddress = (networkId: Id): NetworkAddress => ({ networkId, address: formatIpv4(addresses.get(networkId)?.take() ?? fail(networkId)) });

  const services = (manifest.services ?? []).map((spec): Service => {
    const ports = (spec.ports ?? []).map((port) => ({
      protocol: port.protocol ?? 'tcp',
      published: port.published ?? fail('published'),
      target: port.target,
      mode: port.mode ?? 'ingress',
      externalTrafficPolicy: port.externalTrafficPolicy ?? 'cluster',
      addresses: port.addresses ?? [],
      interfaces: port.interfaces ?? [],
    }));
    const meshed = ports.some((port) => port.mode === 'ingress');
    const wanted = (spec.networks ?? []).map((n) => ({ ...n, networkId: networkOf(n.network).id }));
    if (meshed && ingress !== undefined && !wanted.some((n) => n.networkId === ingress.id)) wanted.push({ network: ingress.name, networkId: ingress.id });
    const endpointMode = spec.endpointMode ?? 'vip';
    const { healthCheck } = spec;
    return {
      id: idOf(ids.services, spec.name),
      name: spec.name,
      version: 1,
      labels: spec.labels ?? {},
      endpointMode,
      scheduler: spec.scheduler ?? 'rr',
      persistence: spec.persistence ?? 0,
      networks: wanted.map((n) => ({
        networkId: n.networkId,
        address: endpointMode === 'dnsrr' ? null : (n.vip ?? takeAddress(n.networkId).address),
        mark: endpointMode === 'dnsrr' ? null : (n.mark ?? marks.take()),
        localMark: n.networkId === ingress?.id && ports.some((port) => port.externalTrafficPolicy === 'local') ? marks.take() : null,
        aliases: n.aliases ?? [],
      })),
      ports,
      healthCheck:
        healthCheck === undefined
          ? null
          : { intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 2, ...healthCheck, path: healthCheck.kind === 'http' ? (healthCheck.path ?? '/') : '' },
      drainSeconds: spec.drainSeconds ?? null,
    };
  });

  const networksOfEndpoint = (spec: NonNullable<Manifest['endpoints']>[number]): readonly Id[] =>
    spec.service === undefined
      ? (spec.networks ?? []).map((name) => networkOf(name).id)
      : (services.find((s) => s.name === spec.service)?.networks ?? []).map((n) => n.networkId);
  const networksOfNode = new Map((manifest.nodes ?? []).map(({ name }) => [name, new Set(ingress === undefined ? [] : [ingress.id])]));
  for (const spec of manifest.endpoints ?? []) for (const id of networksOfEndpoint(spec)) networksOfNode.get(spec.node)?.add(id);
  const nodes = (manifest.nodes ?? []).map(
    (spec): Node => ({
      id: idOf(ids.nodes, spec.name),
      name: spec.name,
      version: 1,
      labels: spec.labels ?? {},
      role: spec.role ?? 'worker',
      availability: spec.availability ?? 'active',
      address: spec.address,
      loadBalancers: [...(networksOfNode.get(spec.name) ?? [])].map(takeAddress),
      underlayMtu: null,
      condition: 'unknown',
    }),
  );
  const gateway = parseCidr(settings.gatewaySubnet);
  const gateways = new Map((manifest.nodes ?? []).map(({ name }) => [name, new Pool([gateway.first + 3, gateway.last - 1], [])]));
  const endpoints = (manifest.endpoints ?? []).map((spec): Endpoint => {
    const own = networksOfEndpoint(spec);
    const pins = (spec.addresses ?? []).map(({ network, address }) => ({ networkId: networkOf(network).id, address }));
    const reachesOut = own.some((id) => byId.get(id)?.internal === false && byId.get(id)?.ingress === false);
    return {
      id: idOf(ids.endpoints, spec.name),
      name: spec.name,
      version: 1,
      labels: spec.labels ?? {},
      serviceId: spec.service === undefined ? null : idOf(ids.services, spec.service),
      nodeId: idOf(ids.nodes, spec.node),
      attachment: spec.attachment,
      weight: spec.weight ?? 1,
      addresses: [...pins, ...own.filter((id) => !pins.some((pin) => pin.networkId === id)).map(takeAddress)],
      aliases: spec.aliases ?? [],
      gatewayAddress: reachesOut ? formatIpv4(gateways.get(spec.node)?.take() ?? fail(spec.node)) : null,
      presence: 'unknown',
      health: 'unknown',
      drain: null,
    };
  });
  return {
    cluster: { ...base.cluster, settings },
    nodes: byIdOf(nodes),
    networks: byIdOf(networks),
    services: byIdOf(services),
    endpoints: byIdOf(endpoints),
    retired: [],
  };
}

class Pool {
  readonly #last: number;
  readonly #taken: Set<number>;
  #next: number;

  constructor([first, last]: readonly [number, number], taken: readonly (number | undefined)[]) {
    this.#next = first;
    this.#last = last;
    this.#taken = new Set(taken.filter((value) => value !== undefined));
  }

  take(): number {
    while (this.#taken.has(this.#next)) this.#next++;
    if (this.#next > this.#last) throw new Error('used up');
    return this.#next++;
  }
}

function named(specs: readonly { readonly name: string; readonly id?: string }[] | undefined, newId: () => Id): ReadonlyMap<string, Id> {
  return new Map((specs ?? []).map((spec) => [spec.name, spec.id ?? newId()]));
}

function idOf(ids: ReadonlyMap<string, Id>, name: string): Id {
  return ids.get(name) ?? fail(name);
}

function byIdOf<T extends { readonly id: Id }>(nouns: readonly T[]): ReadonlyMap<Id, T> {
  return new Map(nouns.map((noun) => [noun.id, noun]));
}

function fail(what: string): never {
  throw new Error(`"${what}" is missing`);
}
