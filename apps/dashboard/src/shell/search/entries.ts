import { pages } from '../pages.js';
import type { Searched } from './documents.js';

/** In the order in which kinds are shown where nothing else decides. */
export const kinds = ['page', 'node', 'service', 'network', 'endpoint', 'address', 'explain'] as const;
export type Kind = (typeof kinds)[number];

/** Something that can be gone to. */
export interface Entry {
  readonly id: string;
  readonly kind: Kind;
  readonly title: string;
  readonly detail: string;
  /** Found by these too. */
  readonly words: readonly string[];
  /** Below the cluster's address. */
  readonly to: string;
}

const nodePage = (name: string, space?: string): string =>
  `nodes/${encodeURIComponent(name)}${space === undefined ? '' : `?${new URLSearchParams({ space })}`}`;
const servicePage = (name: string): string => `services/${encodeURIComponent(name)}`;
const networkPage = (name: string): string => `chart?${new URLSearchParams({ about: `network:${name}` })}`;
export const explainPage = (to: string): string => `explain?${new URLSearchParams({ to })}`;

function pageEntries(): readonly Entry[] {
  const further = [{ to: 'plans?new', label: 'Make a plan of a manifest' }];
  return [...pages, ...further].map(({ to, label }) => ({ id: `page:${to}`, kind: 'page', title: label, detail: '', words: [], to }));
}

/** Everything of a cluster that can be found: pages (before anything else is known, too), nouns, and each address with who has it. */
export function entriesOf(cluster: Searched | null | undefined): readonly Entry[] {
  if (cluster == null) return pageEntries();
  const networks = new Map(cluster.networks.map((network) => [network.name, network]));
  return [
    ...pageEntries(),
    ...cluster.nodes.flatMap(({ name, address, flannelLease, loadBalancers }): Entry[] => [
      { id: `node:${name}`, kind: 'node', title: name, detail: address, words: flannelLease?.subnet == null ? [] : [flannelLease.subnet], to: nodePage(name) },
      addressEntry(address, `host ${name}`, nodePage(name)),
      ...loadBalancers.map((own) => {
        const network = networks.get(own.network.name);
        const space = network === undefined ? undefined : network.ingress ? 'own:ingress_sbox' : `own:lb_${network.id.slice(0, 9)}`;
        return addressEntry(own.address, `load balancer of ${own.network.name} on ${name}`, nodePage(name, space));
      }),
    ]),
    ...cluster.services.flatMap(({ name, networks: on, ports }): Entry[] => {
      const published = ports.map((port) => `:${port.published} → ${port.target}/${port.protocol}`);
      const vips = on.flatMap(({ vip }) => (vip === null ? [] : [vip]));
      const marks = on.flatMap(({ mark }) => (mark === null ? [] : [`mark ${mark}`, `0x${mark.toString(16)}`]));
      return [
        {
          ...{ id: `service:${name}`, kind: 'service' as const, title: name, detail: [...vips, ...published].join(', '), to: servicePage(name) },
          words: [...ports.flatMap((port) => [String(port.published), `:${port.published}`]), ...marks],
        },
        ...on.flatMap(({ vip, network }) => (vip === null ? [] : [addressEntry(vip, `VIP of ${name} on ${network.name}`, servicePage(name))])),
      ];
    }),
    ...cluster.networks.flatMap(({ name, vni, subnet, gateway, ingress }): Entry[] => [
      {
        ...{ id: `network:${name}`, kind: 'network' as const, title: name, detail: `${ingress ? 'routing mesh, ' : ''}${subnet}, VNI ${vni}` },
        ...{ words: [String(vni), subnet], to: networkPage(name) },
      },
      addressEntry(gateway, `gateway (br0) of ${name}`, networkPage(name)),
    ]),
    ...cluster.endpoints.flatMap(({ id, name, node, service, addresses, gatewayAddress, flannel }): Entry[] => {
      const to = nodePage(node.name, `endpoint:${id}`);
      const detail = [`on ${node.name}`, ...addresses.map(({ address }) => address), ...(flannel?.address == null ? [] : [flannel.address])].join(', ');
      return [
        { id: `endpoint:${name}`, kind: 'endpoint', title: name, detail, words: [id, ...(service === null ? [] : [service.name])], to },
        ...addresses.map(({ address, network }) => addressEntry(address, `${name} on ${network.name}`, to)),
        ...(flannel?.address == null ? [] : [addressEntry(flannel.address, `${name} on flannel`, to)]),
        ...(gatewayAddress === null ? [] : [addressEntry(gatewayAddress, `${name}, by the gateway bridge of ${node.name}`, to)]),
      ];
    }),
  ];
}

/** Who has it is part of the identity: gateway addresses are the same on every host. */
function addressEntry(address: string, whose: string, to: string): Entry {
  return { id: `address:${address} ${whose}`, kind: 'address', title: address, detail: whose, words: [], to };
}
