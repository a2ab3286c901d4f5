import { holderName, oneIn, portName, serviceLabel, serviceOf } from './book.js';
import type { Difference } from './difference.js';
import {
  activeServers,
  balancedService,
  type Effect,
  harm,
  leastMtu,
  networkName,
  objectOf,
  originOf,
  type Place,
  servedAs,
  serviceOfMark,
  warn,
  wayOf,
} from './place.js';
import { conditionValue, markOfRule } from './rule.js';

/** What a difference in a load balancer, or in the ingress sandbox, does to requests through it. */
export function balancerEffect(difference: Difference, place: Place): Effect {
  const object = objectOf(difference);
  switch (object?.kind) {
    case 'real-server':
      return realServerEffect(difference, place);
    case 'virtual-server':
      return virtualServerEffect(difference, place);
    case 'rule':
      return ruleEffect(difference, place);
    case 'address':
      return addressEffect(difference, place);
    case 'sysctl':
      return sysctlEffect(object.name, place);
    case 'route':
      return harm(
        isIngress(place)
          ? `${noPort(place)}: clients outside ${place.node.name} get no answers`
          : `tasks in other subnets of ${networkName(place)} are not reached ${wayOf(place)}`,
      );
    case 'link':
      return linkEffect(difference, place);
    default:
      return harm(nothing(place));
  }
}

const isIngress = ({ expected }: Place): boolean => expected.role === 'ingress';

function noPort({ node }: Place): string {
  return `no published port answers through ${node.name}`;
}

/** What a user sees when the load balancer of a network does nothing. */
export function nothing(place: Place): string {
  return isIngress(place) ? noPort(place) : `no service on ${networkName(place)} answers at its VIP ${wayOf(place)}`;
}

function linkEffect(difference: Difference, place: Place): Effect {
  const { aspect } = difference;
  if (aspect === 'copy') return warn('none that a user sees: the dump has it twice');
  if (aspect === 'mtu') return harm(`requests and answers ${wayOf(place)} with packets of more than ${leastMtu(difference)} bytes hang`);
  return harm(nothing(place));
}

function realServerEffect(difference: Difference, place: Place): Effect {
  const { expected, found, aspect, kind } = difference;
  const service = balancedService(difference, place);
  const object = found?.kind === 'real-server' ? found : expected?.kind === 'real-server' ? expected : undefined;
  if (object === undefined) return harm(nothing(place));
  const { mark, address } = object.realServer;
  const active = activeServers(mark, place);
  const served = servedAs(service, place);
  if (aspect === 'copy') return warn(`${served} answers: the real server is there twice`);
  if (kind === 'missing' || aspect === 'weight') {
    const idle = whoIs(address, place);
    return active === 0 ? harm(`every request to ${served} is refused: no real server takes it`) : warnIdle(idle, active, served);
  }
  if (aspect === 'forwarding') return harm(`${oneIn(active)} to ${served} hangs: ${whoIs(address, place)} gets packets for the VIP, which it has not`);
  const holder = place.book.holderOf(place.expected.networkId, address);
  if (object.realServer.weight === 0) return warn(`new requests to ${served} are not affected: its weight is 0`);
  if (holder?.kind === 'task' && holder.task.serviceId !== service?.id)
    return harm(`${oneIn(active)} to ${served} goes to ${holderName(holder, place.book)}, which is none of its tasks`);
  return harm(`${oneIn(active)} to ${served} hangs: ${address} is nobody's`);
}

function warnIdle(idle: string, active: number, served: string): Effect {
  return harm(`${idle} gets no requests to ${served}; ${active === 1 ? 'one other real server takes' : `the ${active} others take`} them all`);
}

function whoIs(address: string, { book, expected }: Place): string {
  const holder = book.holderOf(expected.networkId, address);
  return holder === undefined ? address : holderName(holder, book);
}

function virtualServerEffect(difference: Difference, place: Place): Effect {
  const { kind, aspect, found } = difference;
  const served = servedAs(balancedService(difference, place), place);
  if (kind === 'missing') return harm(`every request to ${served} is refused: its mark leads to no virtual server`);
  if (aspect === 'scheduler') return warn(`requests to ${served} are not spread in turn over its tasks`);
  if (aspect === 'persistence') return warn(`requests to ${served} of one client all go to one task`);
  const mark = found?.kind === 'virtual-server' ? found.virtualServer.mark : 0;
  const marked = place.observed.rules.some((rule) => markOfRule(rule) === mark);
  return marked
    ? harm(`requests with mark ${mark} go to the tasks of a service that is not there ${wayOf(place)}`)
    : warn('none that a user sees: no rule leads to it');
}

function ruleEffect(difference: Difference, place: Place): Effect {
  const { expected, found, aspect, kind } = difference;
  const rule = expected?.kind === 'rule' ? expected.rule : found?.kind === 'rule' ? found.rule : undefined;
  if (rule === undefined) return harm(nothing(place));
  if (aspect === 'table') return harm(nothing(place));
  if (aspect === 'copy') return warn('none that a user sees: the same rule is there once more');
  if (rule.table === 'mangle' && rule.target === 'MARK') return markEffect(difference, place);
  if (rule.chain.startsWith('DOCKER_') || rule.options.includes(':53') || conditionValue(rule.match, '-d') === '127.0.0.11') {
    return warn('none that a user sees: nobody asks the resolver in this namespace');
  }
  if (rule.target === 'SNAT') {
    if (kind === 'unexpected') return harm(`requests ${wayOf(place)} may get another source, to which answers do not come back`);
    return harm(`${nothing(place)}: tasks send their answers past the load balancer`);
  }
  if (kind === 'unexpected') return harm(`what it matches is dropped ${wayOf(place)}`);
  return harm(nothing(place));
}

function markEffect(difference: Difference, place: Place): Effect {
  const { expected, found, kind } = difference;
  const rule = expected?.kind === 'rule' ? expected.rule : found?.kind === 'rule' ? found.rule : undefined;
  const service = balancedService(difference, place);
  const port = rule === undefined ? undefined : conditionValue(rule.match, '--dport');
  const protocol = conditionValue(rule?.match ?? '', '-p') ?? 'tcp';
  const named =
    service === undefined ? (port === undefined ? 'what it matches' : `port ${port}/${protocol}`) : serviceLabel(service, place.expected.networkId, place.book);
  const label =
    service !== undefined && port !== undefined && (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp')
      ? portName(service, { protocol, published: Number(port) })
      : named;
  // What comes to published ports has the sandbox's address on docker_gwbridge, and its mark by its port.
  if (isIngress(place) && rule?.chain === 'INPUT') return warn('none that a user sees: published ports have their mark by their port');
  const foundMark = found?.kind === 'rule' ? markOfRule(found.rule) : null;
  const hasServer = foundMark !== null && place.observed.virtualServers.some(({ mark }) => mark === foundMark);
  const other = foundMark === null || !hasServer ? undefined : serviceOfMark(foundMark, place);
  if (kind !== 'missing' && other !== undefined && other.id !== service?.id)
    return harm(`every request to ${label} ${wayOf(place)} is answered by ${other.name}`);
  if (kind === 'unexpected' && hasServer) return warn(`${label} ${wayOf(place)} is led to mark ${foundMark}`);
  if (kind === 'unexpected' && service === undefined)
    return warn(
      `none that a user sees: no service is at ${port === undefined ? conditionValue(rule?.match ?? '', '-d') : `port ${port}/${protocol}`} any more`,
    );
  return harm(`every request to ${label} ${wayOf(place)} is refused: it gets no mark of a virtual server`);
}

function addressEffect(difference: Difference, place: Place): Effect {
  const { expected, kind, found, aspect } = difference;
  if (aspect === 'copy') return warn('none that a user sees: the dump has it twice');
  if (kind === 'unexpected') {
    const address = found?.kind === 'address' ? found.address.address : '';
    const holder = place.book.holderOf(place.expected.networkId, address);
    if (holder !== undefined)
      return harm(`what tasks on ${place.node.name} send to ${holderName(holder, place.book)} (${address}) goes to the load balancer instead`);
    return warn(`none until ${address} is given to somebody: tasks on ${place.node.name} will not reach it then`);
  }
  const service = serviceOf(originOf(difference, place), place.book);
  const isVip = expected?.kind === 'address' && expected.address.prefixLength === 32 && service !== undefined;
  if (!isVip) return harm(nothing(place));
  if (kind === 'different') return warn(`${servedAs(service, place)} answers, but the address claims a whole network`);
  if (isIngress(place)) return warn('none that a user sees: published ports do not go by the VIP');
  return harm(`every request to ${servedAs(service, place)} hangs: nobody answers for the VIP`);
}

function sysctlEffect(name: string, place: Place): Effect {
  if (name.endsWith('.conntrack')) return harm(`${nothing(place)}: the source of requests is not rewritten`);
  if (name.endsWith('.ip_forward')) return harm(`${nothing(place)}: answers are not forwarded`);
  if (name.endsWith('.conn_reuse_mode')) return harm(`under load new connections ${wayOf(place)} wait a second when a source port comes again`);
  if (name.endsWith('.expire_nodest_conn')) return harm(`connections ${wayOf(place)} to a task that has gone hang until they time out`);
  if (name.endsWith('.expire_quiescent_template')) return warn(`clients with persistence stay at a task that leaves, ${wayOf(place)}`);
  return warn(`${networkName(place)} ${wayOf(place)} behaves otherwise than Docker means it to`);
}
