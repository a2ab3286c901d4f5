import type { Tone } from '../../shell/theme.js';
import { nodeHealth } from '../nodes/health.js';
import type { Cluster } from './documents.js';

export const kinds = ['port', 'service', 'network', 'subnet', 'host'] as const;
export type Kind = (typeof kinds)[number];

/** Something of the cluster that has a place on the chart. */
export interface Thing {
  readonly id: string;
  readonly kind: Kind;
  readonly title: string;
  readonly lines: readonly string[];
  readonly tone: Tone;
  readonly word: string;
  /** Page of it below the cluster's, if it has one. */
  readonly page: string | null;
  /** Where many of its kind are drawn as few groups: what those that belong together have in common. */
  readonly lot: string;
}

/** Two things that belong together, in the order of `kinds`. */
export interface Joint {
  readonly from: string;
  readonly to: string;
  /** Endpoints, between a service and a host; 0 where nothing is counted. */
  readonly count: number;
}

export interface Things {
  readonly things: readonly Thing[];
  readonly joints: readonly Joint[];
}

/** The network of flannel is one beside the overlays. */
export const FLANNEL = 'flannel';

/** Everything of a cluster: published ports lead to services, services are on networks and have endpoints on hosts, flannel's network has a subnet on each. */
export function thingsOf({ nodes, networks, services, flannel, revision }: Cluster): Things {
  const things: Thing[] = [];
  const joints: Joint[] = [];
  const join = (from: string, to: string, count = 0): void => void joints.push({ from, to, count });

  for (const service of services) {
    const id = `service:${service.name}`;
    things.push(serviceOf(id, service));
    for (const { published, target, protocol } of service.ports) {
      const port = `port:${protocol}/${published}`;
      const lines = [`→ ${target}/${protocol}`];
      things.push({ id: port, kind: 'port', title: `:${published}`, lines, tone: 'busy', word: 'every node', page: null, lot: '' });
      join(port, id);
    }
    for (const { network } of service.networks) join(id, `network:${network.name}`);
    const counts = new Map<string, number>();
    for (const { node } of service.endpoints) counts.set(node.name, (counts.get(node.name) ?? 0) + 1);
    for (const [node, count] of counts) join(id, `node:${node}`, count);
  }
  for (const { name, vni, subnet, ingress } of networks) {
    const word = ingress ? 'routing mesh' : 'overlay';
    things.push({ id: `network:${name}`, kind: 'network', title: name, lines: [`VNI ${vni}`, subnet], tone: 'busy', word, page: null, lot: '' });
  }
  if (flannel !== null) {
    things.push({ id: FLANNEL, kind: 'network', title: 'flannel', lines: [flannel.network], tone: 'busy', word: flannel.backend.type, page: null, lot: '' });
  }
  for (const node of nodes) {
    const { tone, word } = nodeHealth(node, revision);
    const page = `nodes/${encodeURIComponent(node.name)}`;
    things.push({ id: `node:${node.name}`, kind: 'host', title: node.name, lines: [node.address], tone, word, page, lot: '' });
    const subnet = node.flannelLease?.subnet;
    if (subnet == null) continue;
    things.push({ id: `subnet:${subnet}`, kind: 'subnet', title: subnet, lines: [`of ${node.name}`], tone: 'busy', word: 'lease', page: null, lot: '' });
    join(FLANNEL, `subnet:${subnet}`);
    join(`subnet:${subnet}`, `node:${node.name}`);
  }
  return { things, joints };
}

function serviceOf(id: string, { name, networks, endpoints }: Cluster['services'][number]): Thing {
  const serving = endpoints.filter(({ traffic }) => traffic === 'all').length;
  const lines = networks.flatMap(({ vip, mark, network }) => (vip === null ? [] : [`${vip}${mark === null ? '' : ` · mark ${mark}`} · ${network.name}`]));
  const tone: Tone = endpoints.length === 0 ? 'idle' : serving === 0 ? 'bad' : serving < endpoints.length ? 'warn' : 'good';
  const word = `${serving} of ${endpoints.length} serve`;
  const [first] = networks.filter(({ network }) => !network.ingress);
  return { id, kind: 'service', title: name, lines, tone, word, page: `services/${encodeURIComponent(name)}`, lot: first?.network.name ?? '' };
}
