import { type Ipv4, portolanError } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { PacketHeaders, Path, Transport } from './explanation.js';
import { type Delivered, isDelivered, type Progress } from './walk/arrival.js';
import { Ended } from './walk/ended.js';
import { endpointNameAt, nodeAt } from './walk/holders.js';
import { absent } from './walk/missing.js';
import { routeOf } from './walk/route.js';
import { isThere, type SpaceView, spaceOf } from './walk/space.js';
import { received, sent } from './walk/stack.js';
import { titleOf } from './walk/titles.js';
import { type Candidate, type Choose, type Suspect, Trace } from './walk/trace.js';
import { type Connection, endOf, reversed, tupleOf } from './walk/tuple.js';
import { arrived, deliveredOutside } from './walk/underlay.js';
import { type Answer, verdictOf, type Way } from './walk/verdict.js';
import { OWN_TTL } from './walk/vxlan.js';
import type { World } from './world.js';

/** A packet that is about to be sent. */
export interface Start {
  /** Name of the host that it is sent on; null: from outside the cluster. */
  readonly node: string | null;
  /** `outside` where `node` is null. */
  readonly space: Space | 'outside';
  /** Chosen by the route unless given; of a client outside it has to be. */
  readonly source?: Ipv4 | undefined;
  readonly destination: Ipv4;
  readonly transport: Transport;
  /** null of icmp. */
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** Bytes of the IP packet. */
  readonly size: number;
  readonly df: boolean;
}

/**
 * The ways of one packet through the kernels of a world, one for each real server that may get it, each with its answer's way back and a
 * verdict. `backend`: only that by the real server with this address. Which devices show which packet to a capture: `walk/device.ts`.
 * Throws `invalid-document` for a client outside without an address, and `not-found` for a node that is not in the snapshot.
 */
export function pathsOf(world: World, start: Start, backend?: Ipv4): readonly Path[] {
  const paths: Path[] = [];
  const explore = (picks: readonly Ipv4[]): void => {
    const { path, decisions } = pathBy(world, start, picks);
    paths.push(path);
    if (backend !== undefined) return;
    // What was not chosen beforehand was decided for the first; each of the others is a path of its own.
    for (const [i, candidates] of decisions.entries()) {
      if (i < picks.length) continue;
      const before = decisions.slice(0, i).map((own, at) => picks[at] ?? own[0]?.address ?? '');
      for (const { address } of candidates.slice(1)) explore([...before, address]);
    }
  };
  explore(backend === undefined ? [] : [backend]);
  return paths;
}

interface Walked {
  readonly path: Path;
  /** The real servers that there were to choose from, at each virtual server. */
  readonly decisions: readonly (readonly Candidate[])[];
}

function pathBy(world: World, start: Start, picks: readonly Ipv4[]): Walked {
  const decisions: (readonly Candidate[])[] = [];
  const chosen: Ipv4[] = [];
  let share = 1;
  const choose: Choose = (candidates) => {
    const address = picks[decisions.length] ?? candidates[0]?.address ?? '';
    share *= candidates.find((own) => own.address === address)?.share ?? 0;
    decisions.push(candidates);
    chosen.push(address);
    return address;
  };
  const connections: Connection[] = [];
  const suspects: Suspect[] = [];
  const client = clientOf(world, start);
  const trace = new Trace(world, packetOf(start, client), connections, suspects, choose, false);
  const first = tupleOf(trace.packet);
  const forward = wayOf(trace, () => (start.node === null ? sentFromOutside(trace) : sentFrom(trace, start, client)));

  let answer: Answer | null = null;
  if (isArrived(forward)) {
    const reply = new Trace(world, answerTo(trace.packet, start), connections, suspects, choose, true);
    const { view } = forward.end;
    const way = wayOf(reply, () => (view === null ? sentFromOutside(reply) : sent(reply, view)));
    const isHome = isArrived(way) && way.end.view?.space === client?.space && way.end.view?.kernel.node === client?.kernel.node;
    answer = { ...way, isHome, tuple: tupleOf(reply.packet), awaited: reversed(first) };
  }
  const backend =
    (isArrived(forward) ? endpointIn(world, forward.end) : undefined) ?? endpointNameAt(world.snapshot, chosen.at(-1) ?? trace.packet.destination);
  return { path: { backend, share, forward: trace.hops, reply: answer?.hops ?? [], verdict: verdictOf(forward, answer, suspects) }, decisions };
}

function endpointIn({ snapshot }: World, { view }: Delivered): string | undefined {
  return view === null ? undefined : snapshot.endpoints.get(view.space.slice('endpoint:'.length))?.name;
}

/** The namespace that the packet begins in; null outside, undefined where nothing is known of the host. */
function clientOf(world: World, { node, space }: Start): SpaceView | null | undefined {
  if (node === null || space === 'outside') return null;
  const kernel = world.host(node);
  return kernel === undefined ? undefined : spaceOf(kernel, space);
}

function packetOf({ source, destination, transport, sourcePort, destinationPort, size, df }: Start, client: SpaceView | null | undefined): PacketHeaders {
  if (client === null && source === undefined) throw portolanError('invalid-document', '', 'a client outside needs an address');
  const chosen = source ?? (client == null ? undefined : ownAddress(client, destination)) ?? '0.0.0.0';
  return { source: chosen, destination, transport, sourcePort, destinationPort, ttl: OWN_TTL, mark: 0, size, df, outer: null };
}

/** What a socket that is bound to nothing gets. */
function ownAddress(view: SpaceView, destination: Ipv4): Ipv4 | undefined {
  if (view.isLocal(destination)) return destination;
  return routeOf(view, destination, null)?.source ?? view.addresses[0]?.address;
}

function answerTo(packet: PacketHeaders, { size }: Start): PacketHeaders {
  return { ...packet, size, ...reversed(tupleOf(packet)), ttl: OWN_TTL, mark: 0 };
}

function isArrived(way: Way): way is Way & { readonly end: Delivered } {
  return !('outcome' in way.end);
}

/** A longer way is a circle that no time to live has ended. */
const MOST_NAMESPACES = 64;

function wayOf(trace: Trace, begin: () => Progress): Way {
  try {
    let progress = begin();
    for (let i = 0; !isDelivered(progress); i++) {
      if (i > MOST_NAMESPACES) throw trace.ended(progress.view, { outcome: 'unreachable', reason: 'it goes in a circle', fix: null, object: null });
      progress = received(trace, progress);
    }
    return { hops: trace.hops, end: progress };
  } catch (error) {
    if (error instanceof Ended) return { hops: trace.hops, end: error.end };
    throw error;
  }
}

function sentFrom(trace: Trace, { node }: Start, view: SpaceView | null | undefined): Progress {
  if (view == null)
    throw new Ended({
      outcome: 'unknown',
      reason: `host ${node} has never reported: nothing is known of it`,
      fix: `Start the agent of ${node}.`,
      object: null,
    });
  const { kernel, space } = view;
  if (kernel.unreachable)
    throw new Ended({ outcome: 'unreachable', reason: `host ${node} does not answer`, fix: `Bring ${node} back, or remove it.`, object: null });
  if (!isThere(kernel, space)) throw new Ended(absent(view, space, titleOf(trace.world.snapshot, space)));
  return sent(trace, view);
}

function sentFromOutside(trace: Trace): Progress {
  const { source, destination, sourcePort, destinationPort, transport } = trace.packet;
  const what = trace.isReply ? 'answers' : 'sends';
  trace.note('send', null, `a host outside ${what} from ${endOf(source, sourcePort)} to ${endOf(destination, destinationPort)}/${transport}`);
  const node = nodeAt(trace.world.snapshot, destination);
  if (node === undefined) return deliveredOutside(trace, destination);
  const host = arrived(trace, node.name, null);
  return { view: host, link: host.underlay?.name ?? '' };
}
