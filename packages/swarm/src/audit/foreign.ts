import type { DumpedRule } from '@portolan/dump';
import { ipv4Value } from '@portolan/model';
import type { ExpectedNamespace } from '../expected.js';
import type { Sight } from './difference.js';
import { GATEWAY } from './links.js';
import { type Condition, conditionsOf, conditionValue, markOfRule } from './rule.js';
import type { WantedRule } from './rules.js';

/** Whether a rule that nobody expects is one that Docker made, or breaks what Docker made: everything else is other programs' own affair. */
export function isDockers(rule: DumpedRule, expected: ExpectedNamespace, wanted: readonly WantedRule[], sight: Sight): boolean {
  switch (expected.role) {
    case 'host':
      return isDockersOnHost(rule, expected, sight);
    case 'load-balancer':
    case 'ingress':
      return isBalancing(rule);
    case 'task':
      return isOfIngressAddress(rule, wanted);
    case 'overlay':
      return false;
  }
}

const has = (conditions: readonly Condition[], ...options: readonly string[]): boolean =>
  conditions.every(({ option, negated }) => !negated && options.includes(option));

/** Marks of services and the source rewrite of what IPVS sends on; and whatever drops packets, for these namespaces are nobody's else. */
function isBalancing(rule: DumpedRule): boolean {
  const conditions = conditionsOf(rule.match);
  if (rule.target === 'DROP' || rule.target === 'REJECT') return true;
  if (rule.table === 'mangle' && markOfRule(rule) !== null) return has(conditions, '-d', '-p', '--dport');
  return rule.table === 'nat' && rule.chain === 'POSTROUTING' && rule.target === 'SNAT' && conditions.some(({ option }) => option === '--ipvs');
}

/** Of a container's own rules Docker's are told by the address that it has on the ingress network. */
function isOfIngressAddress(rule: DumpedRule, wanted: readonly WantedRule[]): boolean {
  const addresses = new Set(
    wanted
      .flatMap(({ object }) => [conditionValue(object.rule.match, '-d'), conditionValue(object.rule.match, '-s')])
      .filter((address) => address !== '127.0.0.11'),
  );
  const address = conditionValue(rule.match, '-d') ?? conditionValue(rule.match, '-s');
  if (address === undefined || !addresses.has(address)) return false;
  if (rule.table === 'nat') return rule.chain === 'PREROUTING' && rule.target === 'REDIRECT';
  return rule.table === 'filter' && ['INPUT', 'OUTPUT'].includes(rule.chain) && ['ACCEPT', 'DROP', 'REJECT'].includes(rule.target ?? '');
}

/** Published ports in Docker's own form: in DOCKER-INGRESS, where hosts' owners may have put rules of theirs, and in DOCKER when nobody has the address. */
function isDockersOnHost(rule: DumpedRule, { dump }: ExpectedNamespace, { rulesKnown, gatewayAddresses }: Sight): boolean {
  const conditions = conditionsOf(rule.match);
  const ports = conditions.filter(({ option }) => option === '--dport' || option === '--sport').length;
  if (rule.chain === 'DOCKER-INGRESS') {
    if (rule.table === 'nat') return rule.target === 'DNAT' && ports === 1 && has(conditions, '-p', '--dport');
    return rulesKnown && rule.table === 'filter' && rule.target === 'ACCEPT' && ports === 1 && has(conditions, '-p', '--dport', '--sport', '--ctstate');
  }
  if (rule.table !== 'nat' || rule.chain !== 'DOCKER' || rule.target !== 'DNAT' || gatewayAddresses === null) return false;
  const [, address = ''] = /--to-destination ([0-9.]+)/.exec(rule.options) ?? [];
  const gateway = dump.links.find(({ name }) => name === GATEWAY)?.addresses[0];
  const value = ipv4Value(address);
  if (gateway === undefined || value === undefined || gatewayAddresses.has(address)) return false;
  return isOnSameSubnet(value, ipv4Value(gateway.address) ?? 0, gateway.prefixLength);
}

function isOnSameSubnet(a: number, b: number, prefixLength: number): boolean {
  const size = 2 ** (32 - prefixLength);
  return Math.floor(a / size) === Math.floor(b / size);
}
