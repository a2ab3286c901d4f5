import { holderName, oneIn, portName, serviceLabel, taskName } from './book.js';
import type { Difference } from './difference.js';
import { type Effect, harm, leastMtu, objectOf, originOf, type Place, shareOfTask, warn } from './place.js';
import { conditionValue } from './rule.js';

/** What a difference in the namespace of a task, or of a container on an overlay, does. */
export function taskEffect(difference: Difference, place: Place): Effect {
  const object = objectOf(difference);
  const network = networkOf(difference, place);
  const { aspect, kind } = difference;
  if (aspect === 'copy') return warn('none that a user sees: it is there once more');
  switch (object?.kind) {
    case 'rule':
      return ruleEffect(difference, place);
    case 'route':
      return harm(`${whose(place)} reaches nothing outside of its networks`);
    case 'address':
      if (kind === 'unexpected') return warn(`none until ${object.address.address} is given to somebody: ${whose(place)} does not reach it then`);
      return harm(cutOff(network, place));
    case 'link':
      if (aspect === 'mtu') return harm(`requests to and answers of ${whose(place)} with packets of more than ${leastMtu(difference)} bytes hang`);
      return harm(cutOff(network, place));
    case 'sysctl':
      return harm(`${whose(place)} answers ARP for the VIP: requests on ${network?.name ?? 'its network'} go past the load balancer`);
    default:
      return harm(cutOff(network, place));
  }
}

function networkOf(difference: Difference, place: Place): { readonly id: string; readonly name: string } | undefined {
  return place.book.networks.get(originOf(difference, place)?.networkId ?? '');
}

/** `task web.2` */
function whose({ book, expected }: Place): string {
  const task = book.tasks.get(expected.taskId ?? '');
  return task === undefined ? `the container in ${expected.name}` : `task ${taskName(task, book)}`;
}

function cutOff(network: { readonly id: string; readonly name: string } | undefined, place: Place): string {
  const { book, expected } = place;
  // What is of no overlay leads to docker_gwbridge.
  if (network === undefined) return `${whose(place)} reaches nothing outside of its networks`;
  const task = book.tasks.get(expected.taskId ?? '');
  const share = task === undefined ? '' : shareOfTask(task.serviceId, network.id, 'from every node', place);
  return `${whose(place)} is cut off from ${network.name}${share === '' ? '' : `: ${share}`}`;
}

function ruleEffect(difference: Difference, place: Place): Effect {
  const { book, expected, node } = place;
  const rule = difference.expected?.kind === 'rule' ? difference.expected.rule : difference.found?.kind === 'rule' ? difference.found.rule : undefined;
  const task = book.tasks.get(expected.taskId ?? '');
  const service = book.services.get(task?.serviceId ?? '');
  if (rule === undefined || rule.chain.startsWith('DOCKER_') || conditionValue(rule.match, '-d') === '127.0.0.11') {
    return harm(`names of services are not found in ${whose(place)} on ${node.name}`);
  }
  if (rule.target === 'DROP' && difference.kind === 'missing' && difference.aspect === 'object') {
    return warn(`${whose(place)} can be reached over ingress on ports that are not published`);
  }
  const port = originOf(difference, place)?.port;
  if (difference.aspect === 'table' || service === undefined || task === undefined) {
    return rule.table === 'filter'
      ? warn(`${whose(place)} can be reached over ingress on ports that are not published`)
      : harm(`published ports and names do not work for ${whose(place)}`);
  }
  const count = book.runningOf(service.id).length;
  const label = port === undefined ? serviceLabel(service, book.ingress?.id ?? null, book) : portName(service, port);
  const share = `${oneIn(count)} to ${label} through any node hangs: ${holderName({ kind: 'task', task }, book)}`;
  if (difference.kind === 'unexpected') {
    return rule.target === 'DROP' || rule.target === 'REJECT'
      ? harm(`${share} drops what it matches`)
      : warn(`${whose(place)} answers on a port that is not published`);
  }
  if (rule.target === 'REDIRECT') return harm(`${share} does not lead it to its port`);
  return harm(`${share} drops ${rule.chain === 'INPUT' ? 'it' : 'its own answer'}`);
}
