import type { NamespaceDump } from '@portolan/dump';
import { DATA_PATH_PORT } from '../docker/overlay.js';
import type { ExpectedNamespace } from '../expected.js';
import type { SwarmNode } from '../facts.js';
import type { Sight } from './difference.js';
import type { ReadDumpOf, ReadDumps } from './dumps.js';
import { GATEWAY } from './links.js';

/** What an engine's rules look like is known of this one. */
const KNOWN_ENGINE = '20.10.';

export function isKnownEngine({ engineVersion }: SwarmNode): boolean {
  return engineVersion.startsWith(KNOWN_ENGINE);
}

/** The host's own namespace and the ingress sandbox of a node, where they were collected. */
interface View {
  readonly host: NamespaceDump | undefined;
  readonly ingress: NamespaceDump | undefined;
}

export function sightOf(node: SwarmNode, { role }: ExpectedNamespace, { dump, sections }: ReadDumpOf, { host, ingress }: View): Sight {
  const rulesKnown = isKnownEngine(node);
  const { gateway } = node;
  const read = new Set(sections);
  // An engine that has rules of nftables shows none to iptables-save.
  if (!rulesKnown && role !== 'host' && dump.rules.length === 0) read.delete('iptables');
  return {
    sections: read,
    rulesKnown,
    firewalld: host?.chains.some(({ chain }) => /(_direct|_ZONES(_SOURCE)?)$/.test(chain)) ?? false,
    gatewayMtu: gatewayMtu(host, ingress),
    gatewayAddresses:
      gateway === null ? null : new Set([gateway.gateway, ...(gateway.ingress === null ? [] : [gateway.ingress]), ...Object.values(gateway.sandboxes)]),
  };
}

/** Of a bridge that its owner made: the bridge, all its ports and the other end in the ingress sandbox agree, which no single fault does. */
function gatewayMtu(host: NamespaceDump | undefined, ingress: NamespaceDump | undefined): number | null {
  const bridge = host?.links.find(({ name }) => name === GATEWAY);
  const outside = ingress?.routes.find(({ destination }) => destination === 'default')?.link;
  const inner = ingress?.links.find(({ name }) => name === outside);
  if (host === undefined || bridge === undefined || inner === undefined) return null;
  const agree = [inner, ...host.links.filter(({ master }) => master === GATEWAY)].every(({ mtu }) => mtu === bridge.mtu);
  return agree ? bridge.mtu : null;
}

/** The UDP port that most tunnels of a swarm have; Docker's own unless more than half of them have another. */
export function dataPathPort(dumps: ReadDumps): number {
  const ports = [...dumps.values()].flatMap((there) =>
    [...there.values()].flatMap(({ dump }) => dump.links.flatMap(({ vxlan, name }) => (vxlan !== null && name.startsWith('vxlan') ? [vxlan.port] : []))),
  );
  const counts = new Map<number, number>();
  for (const port of ports) counts.set(port, (counts.get(port) ?? 0) + 1);
  const most = [...counts].find(([, count]) => count > 1 && count * 2 > ports.length);
  return most?.[0] ?? DATA_PATH_PORT;
}
