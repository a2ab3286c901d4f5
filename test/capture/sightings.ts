import type { Hop, PacketHeaders, Path, Transport } from '@portolan/explain';
import type { Sighting } from './everywhere.js';
import { ipv4Packet, type Packet, vxlanFrame } from './packets.js';

/** UDP ports that carry packets in packets: VXLAN of overlays (RFC 7348), and flannel's two. */
const VXLAN_PORTS = [4789, 8472];
const RELAY_PORT = 8285;
const TRANSPORTS: Readonly<Record<number, Transport>> = { 1: 'icmp', 6: 'tcp', 17: 'udp' };
const SYN = 2;
const ECHO = [0, 8];

type Seen = Pick<PacketHeaders, 'source' | 'destination' | 'transport' | 'sourcePort' | 'destinationPort' | 'ttl'> & {
  readonly outer: Pick<NonNullable<PacketHeaders['outer']>, 'source' | 'destination' | 'port' | 'vni' | 'ttl'> | null;
};

/** One sighting in a line, so that two sequences can be compared by eye. */
function line(node: string, space: string, device: string, direction: 'in' | 'out', packet: Seen): string {
  const { source, sourcePort, destination, destinationPort, transport, ttl, outer } = packet;
  const end = (address: string, port: number | null): string => (port === null ? address : `${address}:${port}`);
  const around = outer === null ? '' : ` in ${outer.source} > ${outer.destination}:${outer.port} vni ${outer.vni ?? 'none'} ttl ${outer.ttl}`;
  return `${node} ${space} ${device} ${direction}: ${end(source, sourcePort)} > ${end(destination, destinationPort)} ${transport} ttl ${ttl}${around}`;
}

/** What a capture of the path would see: its hops of kind transmit and receive, there and back. */
export function predicted({ forward, reply }: Pick<Path, 'forward' | 'reply'>): readonly string[] {
  return [...forward, ...reply].flatMap(({ kind, place, device, after }: Hop) =>
    kind === 'transmit' || kind === 'receive' ? [line(place.node ?? '', spaceName(place), device ?? '', kind === 'transmit' ? 'out' : 'in', after)] : [],
  );
}

function spaceName({ space, title }: Hop['place']): string {
  return space.startsWith('endpoint:') ? title.replace('endpoint ', '') : space.replace('own:', '');
}

export interface Flow {
  readonly transport: Transport;
  /** As it was predicted: the client's port, which a kernel chooses. */
  readonly sourcePort: number | null;
  /** Of UDP, where everything else is somebody else's: the server's ports, published and not. */
  readonly ports: readonly number[];
  /** Ports of what is none of our flows: the servers of the lab. */
  readonly others: ReadonlySet<number>;
}

/**
 * What was seen of a flow of one packet each way: of TCP the first packet of each side. The client's port is called as it was predicted.
 */
export function observed(sightings: readonly Sighting[], flow: Flow): readonly string[] {
  const seen = sightings.flatMap((sighting) => {
    const { inner, outer } = unwrapped(sighting.packet);
    const packet = headers(inner, outer);
    return packet !== undefined && belongs(inner, packet, flow) ? [{ ...sighting, packet }] : [];
  });
  const ephemeral = seen[0]?.packet.sourcePort ?? null;
  const called = (port: number | null): number | null => (port === ephemeral ? flow.sourcePort : port);
  return seen.map(({ node, name, device, direction, packet }) =>
    line(node, name, device, direction, { ...packet, sourcePort: called(packet.sourcePort), destinationPort: called(packet.destinationPort) }),
  );
}

function unwrapped(packet: Packet): { readonly inner: Packet; readonly outer: Seen['outer'] } {
  const { payload, ports, source, destination, ttl } = packet;
  if (payload === undefined || ports === undefined) return { inner: packet, outer: null };
  const around = { source, destination, port: ports.destination, ttl };
  if (VXLAN_PORTS.includes(ports.destination)) {
    const frame = vxlanFrame(payload);
    if (frame !== undefined) return { inner: frame.inner, outer: { ...around, vni: frame.vni } };
  }
  if (ports.destination === RELAY_PORT) {
    const inner = ipv4Packet(payload);
    if (inner !== undefined) return { inner, outer: { ...around, vni: null } };
  }
  return { inner: packet, outer: null };
}

function headers({ source, destination, protocol, ports, ttl }: Packet, outer: Seen['outer']): Seen | undefined {
  const transport = TRANSPORTS[protocol];
  if (transport === undefined) return undefined;
  return { source, destination, transport, sourcePort: ports?.source ?? null, destinationPort: ports?.destination ?? null, ttl, outer };
}

function belongs({ tcpFlags = 0, icmpType = -1 }: Packet, { transport, sourcePort, destinationPort }: Seen, flow: Flow): boolean {
  if (transport !== flow.transport) return false;
  if (transport === 'icmp') return ECHO.includes(icmpType);
  const ends = [sourcePort ?? 0, destinationPort ?? 0];
  if (transport === 'tcp') return (tcpFlags & SYN) !== 0 && !ends.some((port) => flow.others.has(port));
  return ends.some((port) => flow.ports.includes(port));
}
