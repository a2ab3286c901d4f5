import type { SpaceView } from './space.js';
import type { Trace } from './trace.js';
import { type Connection, endOf, isSame, reversed, type Tuple, tupleOf } from './tuple.js';

/** A packet between its coming into a namespace and its leaving it. */
export interface Pass {
  readonly original: Tuple;
  /** The connection that an answer belongs to; null of a new one, and of an answer that nobody here waits for. */
  readonly known: Connection | null;
}

/** A packet comes in, or is sent; of an answer the destination is put back as the first packet had its source. */
export function entered(trace: Trace, view: SpaceView): Pass {
  const original = tupleOf(trace.packet);
  if (!trace.isReply) return { original, known: null };
  const isHere = ({ node, space }: Connection): boolean => node === view.kernel.node && space === view.space;
  // The latest first: a flow may come through a namespace twice, and its answer comes back in reverse.
  const known = trace.connections.findLast((own) => isHere(own) && isSame(reversed(own.translated), original)) ?? null;
  if (known === null) return { original, known };
  const { source: destination, sourcePort: destinationPort } = known.original;
  if (destination !== original.destination || destinationPort !== original.destinationPort) {
    trace.note('connection', view, `an answer of a known connection: to ${endOf(destination, destinationPort)} again, which asked`, {
      after: { ...trace.packet, destination, destinationPort },
    });
  }
  return { original, known };
}

/** The packet leaves, or is delivered; of an answer the source is put back to what the client asked. */
export function left(trace: Trace, view: SpaceView, { original, known }: Pass): void {
  if (!trace.isReply) {
    trace.connections.push({ node: view.kernel.node, space: view.space, original, translated: tupleOf(trace.packet) });
    return;
  }
  if (known === null) return;
  const { destination: source, destinationPort: sourcePort } = known.original;
  if (source === trace.packet.source && sourcePort === trace.packet.sourcePort) return;
  trace.note('connection', view, `an answer of a known connection: from ${endOf(source, sourcePort)} again, which was asked`, {
    after: { ...trace.packet, source, sourcePort },
  });
}
