import type { DumpedLink, DumpedRule } from '@portolan/dump';
import { type NamespaceObject, ruleText } from '../object.js';
import type { Difference } from './difference.js';
import { objectOf, type Place } from './place.js';
import { wordsOf } from './words.js';

const RESTART_DOCKER = 'systemctl restart docker';
/** The kernel holds no two of these: the text has, so only another look can tell. */
const COLLECT_AGAIN = 'portolan swarm collect DIR';

/** Before a command: where it has to run. */
function inside(namespace: string): string {
  return namespace === 'host' ? '' : `nsenter --net=/var/run/docker/netns/${namespace} `;
}

/** The command, for a shell of root on the node, after which the difference is gone. */
export function repairOf(difference: Difference, place: Place): string {
  const { expected, found, kind, aspect } = difference;
  const run = inside(place.name);
  const object = objectOf(difference);
  if (object === null) return RESTART_DOCKER;
  if (object.kind === 'rule') return ruleRepair(difference, place);
  if (aspect === 'copy' && object.kind !== 'forwarding') return COLLECT_AGAIN;
  if (object.kind === 'link') return linkRepair(difference, object.link, place);
  if (object.kind === 'chain') {
    return allOf([`${run}iptables -t ${object.chain.table} -N ${object.chain.chain}`, ...(difference.implied ?? []).map((implied) => makeOf(implied, run))]);
  }
  if (kind === 'unexpected' && found !== null) return removalOf(found, run);
  if (expected === null) return RESTART_DOCKER;
  if (expected.kind === 'address' && found !== null) return allOf([removalOf(found, run), makeOf(expected, run)]);
  if (expected.kind === 'virtual-server') {
    const { mark, scheduler } = expected.virtualServer;
    if (kind === 'different') return `${run}ipvsadm -E -f ${mark} -s ${scheduler}`;
    return allOf([makeOf(expected, run), ...(difference.implied ?? []).map((implied) => makeOf(implied, run))]);
  }
  if (expected.kind === 'real-server' && kind === 'different') return makeOf(expected, run).replace('ipvsadm -a', 'ipvsadm -e');
  return makeOf(expected, run);
}

function allOf(commands: readonly string[]): string {
  return commands.join(' && ');
}

/** The command that makes an object, or sets what is there to it. */
function makeOf(object: NamespaceObject, run: string): string {
  switch (object.kind) {
    case 'port':
      return `${run}ip link set ${object.link} master ${object.master} up`;
    case 'address':
      return `${run}ip addr add ${object.address.address}/${object.address.prefixLength} dev ${object.link}`;
    case 'route':
      return `${run}ip route replace ${wordsOf(object, 'object')}`;
    case 'neighbour':
      return `${run}ip neigh replace ${object.neighbour.address} lladdr ${object.neighbour.mac} dev ${object.neighbour.link} nud permanent`;
    case 'forwarding':
      return `${run}bridge fdb replace ${wordsOf(object, 'object')}`;
    case 'rule':
      return `${run}iptables ${wordsOf(object, 'object')}`;
    case 'virtual-server':
    case 'real-server':
      return `${run}ipvsadm ${wordsOf(object, 'object')}`;
    case 'sysctl':
      return `${run}sysctl -w ${object.name}=${object.value}`;
    case 'chain':
      return `${run}iptables -t ${object.chain.table} -N ${object.chain.chain}`;
    case 'link':
      return RESTART_DOCKER;
  }
}

function removalOf(object: NamespaceObject, run: string): string {
  switch (object.kind) {
    case 'address':
      return `${run}ip addr del ${object.address.address}/${object.address.prefixLength} dev ${object.link}`;
    case 'neighbour':
      return `${run}ip neigh del ${object.neighbour.address} dev ${object.neighbour.link}`;
    case 'forwarding':
      return `${run}bridge fdb del ${object.forwarding.mac} dev ${object.forwarding.link} dst ${object.forwarding.vtep} self`;
    case 'virtual-server':
      return `${run}ipvsadm -D -f ${object.virtualServer.mark}`;
    case 'real-server':
      return `${run}ipvsadm -d -f ${object.realServer.mark} -r ${object.realServer.address}:${object.realServer.port}`;
    case 'rule':
      return `${run}iptables -t ${object.rule.table} -D ${ruleText(object.rule)}`;
    default:
      return RESTART_DOCKER;
  }
}

function ruleRepair(difference: Difference, place: Place): string {
  const { expected, found, aspect, before, implied } = difference;
  const run = inside(place.name);
  if (aspect === 'table') return allOf((implied ?? []).map((object) => makeOf(object, run)));
  if (expected?.kind !== 'rule') return found === null ? RESTART_DOCKER : removalOf(found, run);
  if (aspect === 'order') return orderRepair(expected.rule, before, run);
  const rule = resolved(expected.rule, place);
  if (rule === undefined) return renewal(place);
  const make = `${run}iptables -t ${rule.table} ${difference.position == null ? '-A' : '-I'} ${placed(rule, difference.position ?? null)}`;
  return found === null ? make : allOf([removalOf(found, run), make]);
}

/** `CHAIN 2 MATCH -j TARGET`, as after -I. */
function placed(rule: DumpedRule, position: number | null): string {
  return position === null ? ruleText(rule) : `${rule.chain} ${position}${ruleText(rule).slice(rule.chain.length)}`;
}

/** The end of Docker's chain goes back to the end; before anything else ours goes to the top. DOCKER-USER stays above DOCKER-INGRESS. */
function orderRepair(rule: DumpedRule, before: DumpedRule | undefined, run: string): string {
  const remove = (it: DumpedRule): string => `${run}iptables -t ${it.table} -D ${ruleText(it)}`;
  if (before !== undefined && before.chain === 'DOCKER-INGRESS' && before.match === '' && before.target === 'RETURN') {
    return allOf([remove(before), `${run}iptables -t ${before.table} -A ${ruleText(before)}`]);
  }
  const commands = [remove(rule), `${run}iptables -t ${rule.table} -I ${placed(rule, 1)}`];
  if (rule.chain === 'FORWARD' && rule.target === 'DOCKER-INGRESS') commands.push('iptables -D FORWARD -j DOCKER-USER', 'iptables -I FORWARD -j DOCKER-USER');
  return allOf(commands);
}

/** A rule of the resolver with the port that dockerd listens on, which the rule of the other direction tells; undefined when that is gone too. */
export function resolved(rule: DumpedRule, { observed }: Place): DumpedRule | undefined {
  if (rule.chain !== 'DOCKER_OUTPUT' && rule.chain !== 'DOCKER_POSTROUTING') return rule;
  const protocol = / -p (tcp|udp) /.exec(rule.match)?.[1] ?? '';
  for (const other of observed.rules) {
    if (!other.chain.startsWith('DOCKER_') || other.chain === rule.chain || !other.match.includes(` -p ${protocol} `)) continue;
    const [, port] = /127\.0\.0\.11:([0-9]+)/.exec(other.options) ?? /--sport ([0-9]+)/.exec(other.match) ?? [];
    if (port === undefined) continue;
    return { ...rule, match: rule.match.replace(/--sport [0-9]+/, `--sport ${port}`), options: rule.options.replace(/(127\.0\.0\.11):[0-9]+/, `$1:${port}`) };
  }
  return undefined;
}

function linkRepair({ kind, aspect, implied, expected, owner }: Difference, link: DumpedLink, place: Place): string {
  const run = inside(place.name);
  const peers = (implied ?? []).filter((object) => object.kind !== 'port').map((object) => makeOf(object, run));
  if (kind === 'different' && aspect === 'up') return allOf([`${run}ip link set ${link.name} up`, ...peers]);
  if (kind === 'different' && aspect === 'mtu') return `${run}ip link set ${link.name} mtu ${link.mtu}`;
  if (kind === 'different' && aspect === 'mac') return `${run}ip link set ${link.name} address ${link.mac}`;
  if (expected?.kind !== 'link' || link.vxlan === null) return renewal({ book: place.book, expected: owner ?? place.expected });
  // Its socket has to be in the host's namespace, so it is made there and moved.
  const made = `vx-${link.vxlan.vni.toString(16).padStart(6, '0')}-anew`;
  const master = (implied ?? []).find((object) => object.kind === 'port')?.master ?? 'br0';
  return allOf([
    ...(kind === 'missing' ? [] : [`${run}ip link del ${link.name}`]),
    `ip link add ${made} mtu ${link.mtu} type vxlan id ${link.vxlan.vni} dstport ${link.vxlan.port} learning proxy l2miss l3miss`,
    `ip link set ${made} netns /var/run/docker/netns/${place.name}`,
    `${run}ip link set ${made} name ${link.name}`,
    `${run}ip link set ${link.name} master ${master} up`,
    ...peers,
  ]);
}

/** What Docker makes only as a whole: a task's sandbox by another task, everything else of the node by starting again. */
export function renewal({ book, expected }: Pick<Place, 'book' | 'expected'>): string {
  const containerId = book.tasks.get(expected.taskId ?? '')?.containerId ?? null;
  return expected.role === 'task' && containerId !== null ? `docker rm -f ${containerId.slice(0, 12)}` : RESTART_DOCKER;
}
