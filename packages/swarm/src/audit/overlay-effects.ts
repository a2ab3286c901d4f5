import { type Holder, holderName, listed, serviceLabel, someIn, taskName } from './book.js';
import type { Difference } from './difference.js';
import { type Effect, harm, leastMtu, networkName, objectOf, originOf, type Place, shareOfTask, warn } from './place.js';

/** What a difference in the namespace of an overlay does: to a peer, to what is on its bridge, or to everything on other nodes. */
export function overlayEffect(difference: Difference, place: Place): Effect {
  const object = objectOf(difference);
  const { node } = place;
  const network = networkName(place);
  switch (object?.kind) {
    case 'neighbour':
    case 'forwarding':
      return peerEffect(difference, place);
    case 'port':
      return object.link.startsWith('vxlan') ? harm(cutOff(place)) : harm(cutPort(difference, place));
    case 'link':
      return linkEffect(difference, place);
    case 'address':
      if (difference.aspect === 'copy') return warn('none that a user sees: the dump has it twice');
      if (difference.kind === 'unexpected')
        return warn(`none until ${object.address.address} is given to somebody on ${network}: ${node.name} will not reach it then`);
      return isRouted(place)
        ? harm(`what is on ${node.name} does not reach the other subnets of ${network}`)
        : warn(`none that a user sees: nothing on ${network} goes by its gateway`);
    case 'sysctl':
      return harm(`what is on ${node.name} does not reach the other subnets of ${network}`);
    default:
      return harm(cutOff(place));
  }
}

/** Nothing crosses the tunnel. */
function cutOff(place: Place): string {
  return `nothing on ${place.node.name} reaches tasks of ${networkName(place)} on other nodes, nor they it${sharesElsewhere(place)}`;
}

/** What that means for requests: of a service the share of its tasks that are elsewhere. */
function sharesElsewhere({ book, expected, node }: Place): string {
  const { networkId } = expected;
  const shares = [...book.services.values()].flatMap((service): readonly string[] => {
    if (!service.vips.some((vip) => vip.networkId === networkId)) return [];
    const tasks = book.runningOf(service.id);
    const elsewhere = tasks.filter(({ nodeId }) => nodeId !== node.id).length;
    if (elsewhere === 0) return [];
    const way = networkId === book.ingress?.id ? `through ${node.name}` : `from tasks on ${node.name}`;
    const share = someIn(elsewhere, tasks.length);
    return [`${share} to ${serviceLabel(service, networkId, book)} ${way}`];
  });
  if (shares.length === 0) return '';
  return shares.length > 3
    ? `: requests to ${shares.length} services hang as often as they go to another node`
    : `: ${listed(shares)} hang${shares.length === 1 ? 's' : ''}`;
}

function isRouted({ book, expected }: Place): boolean {
  return (book.networks.get(expected.networkId ?? '')?.subnets.length ?? 0) > 1;
}

/** The one that is behind a port, or those that may be. */
function cutPort({ owner }: Difference, place: Place): string {
  const { book, node } = place;
  const task = book.tasks.get(owner?.taskId ?? '');
  if (task !== undefined) {
    const share = shareOfTask(task.serviceId, place.expected.networkId, 'from every node', place);
    return `task ${taskName(task, book)} is cut off from ${networkName(place)}${share === '' ? '' : `: ${share}`}`;
  }
  const who = owner === undefined ? onePort(place) : owner.role === 'task' ? `the container in ${owner.name}` : `the load balancer of ${node.name}`;
  return `${who} is cut off from ${networkName(place)}`;
}

/** Which of those that are on the node's bridge is not told by the links. */
function onePort(place: Place): string {
  const { book, node, expected } = place;
  const tasks = book.tasksOn(node.id).filter(({ addresses }) => addresses.some(({ networkId }) => networkId === expected.networkId));
  const names = [
    ...(node.balancers?.some(({ networkId }) => networkId === expected.networkId) ? [`the load balancer of ${node.name}`] : []),
    ...tasks.map((task) => `task ${taskName(task, book)}`),
  ];
  return names.length === 1 ? (names[0] ?? '') : `one of ${listed(names, 'or')}`;
}

function linkEffect(difference: Difference, place: Place): Effect {
  const { aspect, expected } = difference;
  const network = networkName(place);
  const link = expected?.kind === 'link' ? expected.link : undefined;
  if (aspect === 'copy') return warn('none that a user sees: the dump has it twice');
  if (link?.kind === 'vxlan') {
    if (aspect === 'mtu')
      return harm(`requests and answers on ${network} between ${place.node.name} and other nodes with packets of more than ${leastMtu(difference)} bytes hang`);
    return harm(cutOff(place));
  }
  if (link?.kind === 'bridge') {
    if (aspect === 'mtu') return warn(`none that a user sees: ${network} is bridged, not routed, on ${place.node.name}`);
    return harm(`nothing on ${place.node.name} reaches anything on ${network}`);
  }
  if (aspect === 'mtu') return harm(`requests and answers on ${network} with packets of more than ${leastMtu(difference)} bytes hang for ${onePort(place)}`);
  return harm(cutPort(difference, place));
}

function peerEffect(difference: Difference, place: Place): Effect {
  const { book, expected, node } = place;
  const holder = peerHolder(difference, place);
  if (difference.kind === 'unexpected') {
    if (difference.aspect === 'copy' && holder !== undefined)
      return harm(`what ${node.name} sends to ${holderName(holder, book)} may go to another host and hang`);
    const local = holder !== undefined && (holder.kind === 'task' ? holder.task.nodeId === node.id : holder.kind !== 'vip' && holder.node.id === node.id);
    if (local) return harm(`what ${node.name} sends to ${holderName(holder, book)} may leave for another host and hang`);
    return warn('none until its address is given to somebody: requests to that one hang then');
  }
  if (holder?.kind === 'balancer') return harm(answersLost(holder.node.name, place));
  if (holder === undefined) return harm(`nothing on ${node.name} reaches the peer on ${networkName(place)}`);
  const reach = `nothing on ${node.name} reaches ${holderName(holder, book)}`;
  if (holder.kind !== 'task') return harm(reach);
  const way = expected.networkId === book.ingress?.id ? `through ${node.name}` : `from tasks on ${node.name}`;
  const share = shareOfTask(holder.task.serviceId, expected.networkId, way, place);
  return harm(share === '' ? reach : `${share}: ${reach}`);
}

function peerHolder(difference: Difference, place: Place): Holder | undefined {
  const { book, expected } = place;
  const object = objectOf(difference);
  const { taskId, containerId, nodeId } = originOf(difference, place) ?? {};
  const task = book.tasks.get(taskId ?? '');
  if (task !== undefined) return { kind: 'task', task };
  const node = book.nodes.get(nodeId ?? '');
  if (containerId !== undefined && node !== undefined) return { kind: 'container', containerId, node };
  if (node !== undefined) return { kind: 'balancer', node };
  return object?.kind === 'neighbour' ? book.holderOf(expected.networkId, object.neighbour.address) : undefined;
}

/** A load balancer elsewhere that is not reached gets no answers from what is here. */
function answersLost(other: string, { book, expected, node }: Place): string {
  const { networkId } = expected;
  const way = networkId === book.ingress?.id ? `through ${other}` : `from tasks on ${other}`;
  const shares = [...book.services.values()].flatMap((service): readonly string[] => {
    if (!service.vips.some((vip) => vip.networkId === networkId)) return [];
    const tasks = book.runningOf(service.id);
    const here = tasks.filter(({ nodeId }) => nodeId === node.id).length;
    if (here === 0) return [];
    const share = someIn(here, tasks.length);
    return [`${share} to ${serviceLabel(service, networkId, book)} ${way}`];
  });
  const lost = `answers of tasks on ${node.name} do not reach the load balancer of ${other}`;
  if (shares.length === 0) return `nothing yet: ${lost}, and none runs there`;
  return shares.length > 3
    ? `requests to ${shares.length} services ${way} hang when they go to ${node.name}: ${lost}`
    : `${listed(shares)} hang${shares.length === 1 ? 's' : ''}: ${lost}`;
}
