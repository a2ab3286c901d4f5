import { holds } from './range.js';
import type { Known, SpaceView } from './space.js';
import { refOf, type Trace } from './trace.js';

/** Packets that a host sends on, by its rules in their order. */
export interface Forwarding {
  /** Devices with the addresses: a bridge, not its port. */
  readonly from: string;
  readonly to: string;
  /** Of a connection whose destination this host has translated. */
  readonly translated: boolean;
  /** An answer that this host knows the connection of. */
  readonly established: boolean;
}

export function forwardFilter(trace: Trace, view: SpaceView, { from, to, translated, established }: Forwarding): void {
  if (view.space !== 'host' || !view.visits('filter', 'forward')) return;
  const { source, destination, sourcePort, destinationPort, transport } = trace.packet;
  const isOf = ({ body }: Known<'port-forward'>, address: string, port: number | null) =>
    body.to === address && body.toPort === port && body.protocol === transport;
  const forward = view
    .all('port-forward')
    .find((own) => (translated && isOf(own, destination, destinationPort)) || (established && isOf(own, source, sourcePort)));
  if (forward !== undefined) {
    trace.rule('accept', view, forward, established ? 'an answer from a published port' : 'it was sent here by a published port');
    return;
  }
  for (const policy of view.all('gateway-policy')) {
    const { link } = policy.body;
    if (to === link && established) {
      trace.rule('accept', view, policy, `an answer to what came from behind ${link}`);
      return;
    }
    if (to !== link && from === link) {
      trace.rule('accept', view, policy, `from behind ${link} to elsewhere`);
      return;
    }
    if (to !== link) continue;
    const reason = `the host sends nothing to what is behind ${link} but by a published port`;
    throw trace.ended(
      view,
      { outcome: 'dropped', reason, fix: 'Reach it by a published port, or by a network of both.', object: refOf(view, policy) },
      { effect: 'drop' },
    );
  }
  const pods = view.all('pod-forward').find(({ body }) => holds(body.network, source) || holds(body.network, destination));
  if (pods !== undefined) trace.rule('accept', view, pods, `from or to ${pods.body.network}`);
}

/** In an endpoint: on its ingress address only published ports answer. */
export function inputFilter(trace: Trace, view: SpaceView): void {
  const { destination, destinationPort, transport } = trace.packet;
  const filter = view.known('endpoint-filter', destination);
  if (filter === undefined || transport === 'icmp' || !view.visits('filter', 'input')) return;
  if (isOpen(filter, transport, destinationPort)) {
    trace.rule('accept', view, filter, `port ${destinationPort}/${transport} is published`);
    return;
  }
  closed(trace, view, filter, `on its ingress address an endpoint answers at published ports only, and ${destinationPort}/${transport} is none`);
}

/** In an endpoint: from its ingress address only published ports answer; it is nobody's way to others. */
export function outputFilter(trace: Trace, view: SpaceView, established: boolean): void {
  const { source, sourcePort, transport } = trace.packet;
  const filter = view.known('endpoint-filter', source);
  if (filter === undefined || transport === 'icmp' || !view.visits('filter', 'output')) return;
  if (established && isOpen(filter, transport, sourcePort)) {
    trace.rule('accept', view, filter, `an answer from the published port ${sourcePort}/${transport}`);
    return;
  }
  closed(trace, view, filter, 'from its ingress address an endpoint only answers: nothing begins there');
}

function isOpen({ body }: Known<'endpoint-filter'>, transport: string, port: number | null): boolean {
  return body.open.some((own) => own.protocol === transport && own.port === port);
}

function closed(trace: Trace, view: SpaceView, filter: Known<'endpoint-filter'>, reason: string): never {
  throw trace.ended(
    view,
    { outcome: 'dropped', reason, fix: 'Reach it by another network of both, or publish the port.', object: refOf(view, filter) },
    { effect: 'drop' },
  );
}
