import type { Attachment, EndpointSpec, FlannelBackend, FlannelSpec, HealthCheckSpec, Manifest, NetworkSpec, ServiceSpec } from '@portolan/model';
import fc from 'fast-check';

type PublishedPortSpec = NonNullable<ServiceSpec['ports']>[number];

const protocol = fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const);
const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ maxLength: 8 }), { maxKeys: 2 });
const timeouts = fc.record({ tcp: fc.integer({ min: 600, max: 8000 }), tcpFin: fc.integer({ min: 1, max: 300 }), udp: fc.integer({ min: 1, max: 300 }) });
const attachment: fc.Arbitrary<Attachment> = fc.oneof(
  fc.record({ netns: fc.nat(99).map((i) => `/run/netns/c${i}`) }),
  fc.record({ pid: fc.integer({ min: 2, max: 4194304 }) }),
  fc.record({ container: fc.nat(99).map((i) => `container-${i}`) }),
);
const probe = { port: fc.integer({ min: 1, max: 65535 }), intervalMs: fc.integer({ min: 100, max: 5000 }), failures: fc.integer({ min: 1, max: 5 }) };
const healthCheck: fc.Arbitrary<HealthCheckSpec> = fc.oneof(
  fc.record({ kind: fc.constant('tcp' as const), ...probe }, { requiredKeys: ['kind', 'port'] }),
  fc.record({ kind: fc.constant('http' as const), path: fc.constantFrom('/', '/healthz'), ...probe }, { requiredKeys: ['kind', 'port'] }),
);

/** Any of the fields can be left out. */
const optional: { requiredKeys: [] } = { requiredKeys: [] };

/**
 * Manifests that a cluster can have, with everything present: names, pins and references that fit. Names are from
 * small sets, so that two manifests of one cluster share objects, and an object that two of them hold has the same
 * fields where these cannot change.
 */
export function manifestArbitrary(): fc.Arbitrary<Required<Omit<Manifest, 'settings'>>> {
  return fc
    .record({
      nodes: fc.subarray([1, 2, 3, 4], { minLength: 1 }),
      networks: fc.subarray([1, 2, 3, 4]).chain((numbers) => each([0, ...numbers], network)),
      services: fc.subarray([1, 2, 3, 4, 5]),
      endpoints: fc.subarray([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
      lone: fc.subarray([1, 2, 3]),
      pods: fc.subarray([1, 2, 3, 4, 5]),
    })
    .chain(({ nodes, networks, services, endpoints, lone, pods }) =>
      fc
        .record({
          nodes: each(nodes, (i) =>
            fc
              .tuple(fc.constantFrom('manager' as const, 'worker' as const), fc.constantFrom('active' as const, 'drain' as const), labels)
              .map(([role, availability, own]) => ({ name: `node${i}`, address: `172.16.130.${i}`, role, availability, labels: own })),
          ),
          networks: fc.constant(networks),
          services: each(services, (i) => service(i, networks.slice(1))),
          flannel: fc.option(flannelNetwork(nodes)),
        })
        .chain((sections) => {
          const attachable = networks.filter((own) => own.attachable === true);
          const placed = endpoints.filter((i) => services.includes(serviceOf(i)) && nodes.includes(nodeOf(i)));
          const pod = sections.flannel === null ? [] : pods.filter((i) => nodes.includes(nodeOf(i)));
          const single = attachable.length === 0 ? [] : lone.filter((i) => nodes.includes(nodeOf(i)));
          return fc
            .tuple(
              each(placed, (i) => member(i, sections.services.find((own) => own.name === `service${serviceOf(i)}`)?.networks ?? [])),
              each(single, (i) => loneEndpoint(i, attachable, sections.flannel !== null)),
              each(pod, podEndpoint),
            )
            .map((all) => ({ ...sections, endpoints: all.flat() }));
        }),
    );
}

/** Odd networks are pinned, the others allocated; 0 is the ingress network, 1 has more subnets, 2 may be internal, 3 may be without NAT, even ones attachable. */
function network(i: number): fc.Arbitrary<NetworkSpec> {
  const name = i === 0 ? 'ingress' : `net${i}`;
  const pins = i % 2 === 1 ? { vni: 5000 + i, subnet: `10.${i}.0.0/24`, gateway: `10.${i}.0.254` } : {};
  const subnets = [{ subnet: '10.1.1.0/24', vni: 5101 }, { subnet: '10.1.2.0/24', gateway: '10.1.2.7' }, { subnet: '10.1.3.0/25' }];
  return fc
    .record(
      {
        labels,
        ipvsTimeouts: timeouts,
        mtu: fc.integer({ min: 1000, max: 1450 }),
        internal: fc.boolean().map((yes) => yes && i === 2),
        dsr: fc.boolean().map((yes) => yes && i === 3),
        attachable: fc.boolean().map((yes) => yes && (i === 2 || i === 4)),
      },
      optional,
    )
    .chain((own) =>
      // The first of them stays, since endpoints are pinned into it.
      fc.nat(i === 1 ? 2 : 0).map((more) => ({ name, ingress: i === 0, ...pins, ...(i === 1 ? { extraSubnets: subnets.slice(0, 1 + more) } : {}), ...own })),
    );
}

function service(i: number, networks: readonly NetworkSpec[]): fc.Arbitrary<ServiceSpec> {
  return fc
    .record({
      mode: fc.constantFrom('vip' as const, 'vip' as const, 'dnsrr' as const),
      own: fc.subarray([...networks]),
      pinVip: fc.boolean(),
      pinPort: fc.boolean(),
      aliases: fc.subarray(['www', 'Api', `alias${i}`]),
      ports: fc.uniqueArray(fc.tuple(protocol, fc.integer({ min: 1, max: 3 }), port), { maxLength: 3, selector: ([p, n]) => `${p}${n}` }),
      persistence: fc.constantFrom(0, 0, 300),
      more: fc.record(
        {
          scheduler: fc.constantFrom('rr' as const, 'wrr' as const, 'lc' as const, 'wlc' as const, 'sh' as const, 'mh' as const),
          healthCheck,
          drainSeconds: fc.integer({ min: 0, max: 60 }),
          labels,
        },
        optional,
      ),
    })
    .map(({ mode, own, pinVip, pinPort, aliases, ports, persistence, more }) => {
      const leadsOut = own.some((at) => at.internal !== true);
      const possible = ports.filter(([, , { mode: published }]) => (published === 'host' ? leadsOut : mode === 'vip'));
      return {
        name: `service${i}`,
        endpointMode: mode,
        persistence: mode === 'vip' ? persistence : 0,
        networks: own.map(({ name, subnet }) => {
          const n = Number(name.slice(3));
          const pins = mode === 'vip' && pinVip && subnet !== undefined ? { vip: `10.${n}.0.${100 + i}`, mark: 1000 + 10 * i + n } : {};
          return { network: name, ...pins, ...(aliases.length === 0 ? {} : { aliases }) };
        }),
        ports: possible.map(([p, n, how]) => ({ protocol: p, target: 80 + n, ...(pinPort ? { published: 8000 + 10 * i + n } : {}), ...how })),
        ...more,
      };
    });
}

const where = { addresses: fc.subarray(['192.0.2.10', '172.16.0.0/16']), interfaces: fc.subarray(['eth0', 'bond0.5']) };
/** How a port is published. */
const port: fc.Arbitrary<Partial<PublishedPortSpec>> = fc.oneof(
  fc.record({ mode: fc.constant('ingress' as const), externalTrafficPolicy: fc.constantFrom('cluster' as const, 'local' as const), ...where }, optional),
  fc.record(where, optional).map((own) => ({ ...own, mode: 'host' as const })),
);

function member(i: number, networks: NonNullable<ServiceSpec['networks']>): fc.Arbitrary<EndpointSpec> {
  const wide = networks.some((own) => own.network === 'net1');
  return fc
    .record({ where: attachment, weight: fc.integer({ min: 0, max: 3 }), pinned: fc.boolean(), aliases: fc.subarray(['first', `e${i}`]) })
    .map(({ where: at, weight, pinned, aliases }) => ({
      name: `endpoint${i}`,
      service: `service${serviceOf(i)}`,
      node: `node${nodeOf(i)}`,
      attachment: at,
      weight,
      aliases,
      ...(wide && pinned ? { addresses: [{ network: 'net1', address: `10.1.${i % 2}.${200 + i}` }] } : {}),
    }));
}

/** An endpoint without a service. */
function loneEndpoint(i: number, attachable: readonly NetworkSpec[], flannel: boolean): fc.Arbitrary<EndpointSpec> {
  return fc.tuple(fc.subarray([...attachable], { minLength: 1 }), attachment, fc.boolean()).map(([networks, at, pod]) => ({
    name: `lone${i}`,
    networks: networks.map(({ name }) => name),
    node: `node${nodeOf(i)}`,
    attachment: at,
    ...(flannel && pod ? { flannel: {} } : {}),
  }));
}

/** An endpoint in the flannel network alone. Chosen addresses are never those of a bridge, wherever the subnet of the node is. */
function podEndpoint(i: number): fc.Arbitrary<EndpointSpec> {
  return fc.tuple(attachment, fc.boolean()).map(([at, fixed]) => ({
    name: `pod${i}`,
    flannel: fixed ? { address: `10.244.${nodeOf(i)}.${100 + i}` } : {},
    node: `node${nodeOf(i)}`,
    attachment: at,
  }));
}

const backend: fc.Arbitrary<FlannelBackend> = fc.oneof(
  fc.record(
    { type: fc.constant('vxlan' as const), vni: fc.constantFrom(1, 7), port: fc.constantFrom(8472, 8473), directRouting: fc.boolean() },
    { requiredKeys: ['type'] },
  ),
  fc.constant({ type: 'host-gw' as const }),
  fc.record({ type: fc.constant('udp' as const), port: fc.constantFrom(8285, 8286) }, { requiredKeys: ['type'] }),
);

/** Always of one network, since pods are pinned into it. */
function flannelNetwork(nodes: readonly number[]): fc.Arbitrary<FlannelSpec> {
  return fc.subarray([...nodes]).chain((reserved) =>
    fc.record(
      {
        network: fc.constant('10.244.0.0/16'),
        backend,
        subnetMax: fc.constantFrom('10.244.9.0', '10.244.255.0'),
        masquerade: fc.boolean(),
        cni: fc.boolean(),
        reservations: fc.constant(reserved.map((i) => ({ node: `node${i}`, subnet: `10.244.${i}.0/24` }))),
        registry: fc.constantFrom({ EnableNFTables: true }, { EnableIPv6: true, IPv6Network: 'fd00::/48' }),
      },
      { requiredKeys: ['network', 'backend'] },
    ),
  );
}

function serviceOf(endpoint: number): number {
  return (endpoint % 5) + 1;
}

function nodeOf(endpoint: number): number {
  return (endpoint % 4) + 1;
}

/** One value for each number. */
function each<T>(numbers: readonly number[], make: (i: number) => fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.tuple(...numbers.map(make));
}
