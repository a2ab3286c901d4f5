import type { Attachment, Manifest } from '@portolan/model';
import fc from 'fast-check';

const protocol = fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const);
const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ maxLength: 8 }), { maxKeys: 2 });
const attachment: fc.Arbitrary<Attachment> = fc.oneof(
  fc.record({ netns: fc.nat(99).map((i) => `/run/netns/c${i}`) }),
  fc.record({ pid: fc.integer({ min: 2, max: 4194304 }) }),
  fc.record({ container: fc.nat(99).map((i) => `container-${i}`) }),
);

/** Leaves a value out, or pins it. */
function maybe<T extends object>(value: fc.Arbitrary<T>): fc.Arbitrary<T | Record<never, never>> {
  return fc.oneof(fc.constant({}), value);
}

/**
 * Manifests that a cluster can have, with everything present: names, pins and references that fit. Names are from
 * small sets, so that two manifests of one cluster share objects, and an object that two of them hold has the same
 * fields where these cannot change.
 */
export function manifestArbitrary(): fc.Arbitrary<Required<Omit<Manifest, 'settings'>>> {
  return fc
    .record({
      nodes: fc.subarray([1, 2, 3, 4], { minLength: 1 }),
      networks: fc.subarray([1, 2, 3, 4]),
      services: fc.subarray([1, 2, 3, 4, 5]),
      endpoints: fc.subarray([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    })
    .chain(({ nodes, networks, services, endpoints }) =>
      fc.record({
        nodes: each(nodes, (i) =>
          fc
            .tuple(fc.constantFrom('manager' as const, 'worker' as const), fc.constantFrom('active' as const, 'drain' as const), labels)
            .map(([role, availability, own]) => ({ name: `node${i}`, address: `172.16.130.${i}`, role, availability, labels: own })),
        ),
        networks: each([0, ...networks], (i) =>
          maybe(labels.map((own) => ({ labels: own }))).map((own) => ({
            name: i === 0 ? 'ingress' : `net${i}`,
            ingress: i === 0,
            // Odd networks are pinned, the others allocated.
            ...(i % 2 === 1 ? { vni: 5000 + i, subnet: `10.${i}.0.0/24`, gateway: `10.${i}.0.254` } : {}),
            ...own,
          })),
        ),
        services: each(services, (i) =>
          fc
            .tuple(
              fc.subarray([...networks]),
              fc.boolean(),
              fc.uniqueArray(fc.tuple(protocol, fc.integer({ min: 1, max: 3 })), { maxLength: 3, selector: ([p, n]) => `${p}${n}` }),
              fc.boolean(),
              fc.constantFrom('rr' as const, 'wrr' as const, 'sh' as const),
            )
            .map(([own, pinVip, ports, pinPort, scheduler]) => ({
              name: `service${i}`,
              scheduler,
              networks: own.map((n) => ({ network: `net${n}`, ...(pinVip && n % 2 === 1 ? { vip: `10.${n}.0.${100 + i}`, mark: 1000 + 10 * i + n } : {}) })),
              ports: ports.map(([p, n]) => ({ protocol: p, target: 80 + n, ...(pinPort ? { published: 8000 + 10 * i + n } : {}) })),
            })),
        ),
        endpoints: each(
          endpoints.filter((i) => services.includes(serviceOf(i)) && nodes.includes(nodeOf(i))),
          (i) =>
            fc.tuple(attachment, fc.integer({ min: 0, max: 3 })).map(([where, weight]) => ({
              name: `endpoint${i}`,
              service: `service${serviceOf(i)}`,
              node: `node${nodeOf(i)}`,
              attachment: where,
              weight,
            })),
        ),
      }),
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
