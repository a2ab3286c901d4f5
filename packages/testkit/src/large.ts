import { applyManifest } from '@portolan/intent';
import { formatIpv4, type Manifest, parseIpv4, type Snapshot } from '@portolan/model';
import { emptySnapshot } from './empty.js';
import { seededIds } from './ids.js';
import { seenWhole } from './seen.js';

export interface ClusterSize {
  readonly nodes: number;
  /** Overlay networks beside the ingress network; services are spread over them. */
  readonly networks: number;
  readonly services: number;
  readonly endpointsPerService: number;
  /** How many of the services publish a port; at most 50,000. */
  readonly publishedServices: number;
}

const FIRST_NODE_ADDRESS = parseIpv4('172.16.0.1');
const FIRST_PUBLISHED_PORT = 10_000;

/** A cluster of that size. Endpoints of a service are on nodes that follow one another; subnets are as large as they must be. */
export function largeManifest(size: ClusterSize): Manifest {
  const nodes = range(size.nodes).map((i) => ({ name: `node${i + 1}`, address: formatIpv4(FIRST_NODE_ADDRESS + i) }));
  const services = range(size.services).map((i) => ({
    name: `service${i + 1}`,
    networks: [{ network: `overlay${(i % size.networks) + 1}` }],
    ...(i < size.publishedServices ? { ports: [{ published: FIRST_PUBLISHED_PORT + i, target: 80 }] } : {}),
  }));
  const endpoints = services.flatMap(({ name }, i) =>
    range(size.endpointsPerService).map((slot) => ({
      name: `${name}.${slot + 1}`,
      service: name,
      node: `node${((i + slot) % size.nodes) + 1}`,
      attachment: { netns: `/run/netns/${name}.${slot + 1}` },
    })),
  );
  const perService = size.endpointsPerService + 1;
  const overlayLength = prefixLengthFor(Math.ceil(size.services / size.networks) * perService + size.nodes);
  const ingressLength = prefixLengthFor(size.publishedServices * perService + size.nodes);
  return {
    settings: { subnetPrefixLength: overlayLength, underlayMtu: 1500 },
    nodes,
    networks: [{ name: 'ingress', ingress: true, subnet: `11.0.0.0/${ingressLength}` }, ...range(size.networks).map((i) => ({ name: `overlay${i + 1}` }))],
    services,
    endpoints,
  };
}

/** It with every node up and every endpoint there. */
export function largeSnapshot(size: ClusterSize, seed = 1): Snapshot {
  return seenWhole(applyManifest(emptySnapshot('large'), largeManifest(size), seededIds(seed), { now: 0 }));
}

/** Of the smallest subnet, /24 or larger, with that many addresses beside its gateway, network and broadcast address. */
function prefixLengthFor(addresses: number): number {
  return Math.min(24, 32 - Math.ceil(Math.log2(addresses + 3)));
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i);
}
