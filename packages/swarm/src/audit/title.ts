import type { DumpedLink } from '@portolan/dump';
import { ruleText } from '../object.js';
import { type Holder, holderName, type serviceLabel, serviceOf } from './book.js';
import type { Difference } from './difference.js';
import { balancedService, objectOf, originOf, type Place } from './place.js';
import { conditionValue, markOfRule } from './rule.js';

/** What a finding calls the object that it is about: `real-server 10.0.0.6 of web (10.0.0.5)`. */
export function titleOf(difference: Difference, place: Place): string {
  const object = objectOf(difference);
  const { book, expected } = place;
  const networkId = expected.networkId ?? originOf(difference, place)?.networkId ?? null;
  const balances = expected.role === 'ingress' || expected.role === 'load-balancer';
  const service = balances ? balancedService(difference, place) : serviceOf(originOf(difference, place), book);
  const of = service === undefined ? '' : ` of ${vipLabel(service, networkId)}`;
  const heldBy = (address: string): string => {
    const holder = book.holderOf(networkId, address);
    return holder === undefined ? '' : ` (${holderName(holder, book)})`;
  };
  switch (object?.kind) {
    case 'real-server':
      return `real-server ${object.realServer.address}${of}`;
    case 'virtual-server':
      return `virtual-server ${object.virtualServer.mark}${of}`;
    case 'rule': {
      const { rule } = object;
      if (difference.aspect === 'table') return `table ${rule.table}`;
      if (rule.table === 'mangle' && markOfRule(rule) !== null && balances) {
        const port = conditionValue(rule.match, '--dport');
        return `mark-rule ${port === undefined ? `for ${conditionValue(rule.match, '-d') ?? 'all'}` : `for port ${port}/${conditionValue(rule.match, '-p') ?? 'tcp'}`}${of}`;
      }
      return `rule ${rule.table} ${ruleText(rule)}`;
    }
    case 'address': {
      const { address, prefixLength } = object.address;
      const isVip = prefixLength === 32 && balances && !isOutside(object.link, expected);
      return isVip ? `vip ${address}${service === undefined ? '' : ` of ${service.name}`}` : `address ${address}/${prefixLength} on ${object.link}`;
    }
    case 'neighbour':
      return `neighbour ${object.neighbour.address}${heldBy(object.neighbour.address)}`;
    case 'forwarding': {
      const { taskId, containerId, nodeId } = originOf(difference, place) ?? {};
      const task = book.tasks.get(taskId ?? '');
      const node = book.nodes.get(nodeId ?? '');
      const holder: Holder | undefined =
        task !== undefined
          ? { kind: 'task', task }
          : node === undefined
            ? undefined
            : containerId === undefined
              ? { kind: 'balancer', node }
              : { kind: 'container', containerId, node };
      return `forwarding ${object.forwarding.mac}${holder === undefined ? '' : ` (${holderName(holder, book)})`}`;
    }
    case 'link':
      return difference.found === null ? missingLink(object.link, difference, place) : `link ${object.link.name}`;
    case 'port':
      return `port ${object.link} of ${object.master}`;
    case 'route':
      return `route ${object.route.destination}`;
    case 'chain':
      return `chain ${object.chain.table} ${object.chain.chain}`;
    case 'sysctl':
      return `sysctl ${object.name}`;
    default:
      return 'namespace';
  }
}

function vipLabel(service: Parameters<typeof serviceLabel>[0], networkId: string | null): string {
  const vip = service.vips.find((it) => it.networkId === networkId)?.address;
  return vip === undefined ? service.name : `${service.name} (${vip})`;
}

/** The link of the ingress sandbox towards the host: what it has there is no VIP. */
function isOutside(link: string, { dump }: Place['expected']): boolean {
  return dump.routes.some((route) => route.destination === 'default' && route.link === link);
}

/** A link that is not there has no name where Docker draws it or numbers it as it comes. */
function missingLink({ name, kind, master }: DumpedLink, difference: Difference, place: Place): string {
  const { role } = place.expected;
  if (kind === 'veth' && (role === 'overlay' || role === 'host')) return `port of ${master ?? 'a bridge'}`;
  if (role !== 'task') return `link ${name}`;
  return `link to ${isOutside(name, place.expected) ? 'docker_gwbridge' : (place.book.networks.get(originOf(difference, place)?.networkId ?? '')?.name ?? 'a network')}`;
}
