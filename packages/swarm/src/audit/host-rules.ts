import type { DumpedRule, NamespaceDump } from '@portolan/dump';
import type { NamespaceObject } from '../object.js';
import type { Sight, Wanted } from './difference.js';
import { GATEWAY } from './links.js';
import { sameRuleText } from './rule.js';

const rule = (table: string, chain: string, match: string, target: string): DumpedRule => ({ table, chain, match, target, options: '' });
/** How Docker leads local connections to published ports of containers, with `userland-proxy` (its default) and without. */
const jumpWithProxy = sameRuleText(rule('nat', 'OUTPUT', '! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL', 'DOCKER'));
const jumpWithoutProxy = rule('nat', 'OUTPUT', '-m addrtype --dst-type LOCAL', 'DOCKER');
const returnWithProxy = sameRuleText(rule('nat', 'DOCKER', `-i ${GATEWAY}`, 'RETURN'));
/** Without the proxy the bridge driver makes this rule of the ingress code's once more for itself. */
const localSource = rule('nat', 'POSTROUTING', `-o ${GATEWAY} -m addrtype --src-type LOCAL`, 'MASQUERADE');
/** docker_gwbridge made by its owner with containers that may talk to each other. */
const betweenDropped = sameRuleText(rule('filter', 'FORWARD', `-i ${GATEWAY} -o ${GATEWAY}`, 'DROP'));
const betweenAccepted = sameRuleText(rule('filter', 'FORWARD', `-i ${GATEWAY} -o ${GATEWAY}`, 'ACCEPT'));

/**
 * What is wanted of the host's rules, as the daemon is set: whether it has a userland proxy and whether its gateway bridge keeps containers apart shows in the rules
 * themselves. Of an engine whose rules are not known only what leads to published ports is wanted, which all versions make alike.
 */
export function hostVariant(wanted: readonly Wanted[], observed: NamespaceDump, { rulesKnown }: Sight): readonly Wanted[] {
  if (!rulesKnown) {
    const hasIngress = observed.chains.some(({ table, chain }) => table === 'nat' && chain === 'DOCKER-INGRESS');
    return hasIngress ? wanted.filter(({ object }) => isIngressNat(object)) : [];
  }
  const there = new Set(observed.rules.map(sameRuleText));
  const withoutProxy = there.has(sameRuleText(jumpWithoutProxy)) && !there.has(jumpWithProxy);
  return wanted.flatMap((want): readonly Wanted[] => {
    if (want.object.kind !== 'rule') return [want];
    const text = sameRuleText(want.object.rule);
    if (isOtherwiseEncrypted(want.object.rule, observed)) return [];
    if (text === betweenDropped && !there.has(text) && there.has(betweenAccepted)) return [];
    if (!withoutProxy) return [want];
    if (text === jumpWithProxy) return [{ key: want.key, object: { kind: 'rule', rule: jumpWithoutProxy } }];
    if (text === sameRuleText(localSource)) return observed.rules.filter((found) => sameRuleText(found) === text).length > 1 ? [want, { ...want }] : [want];
    return text === returnWithProxy ? [] : [want];
  });
}

function isIngressNat(object: NamespaceObject): boolean {
  if (object.kind === 'chain') return object.chain.table === 'nat' && object.chain.chain === 'DOCKER-INGRESS';
  if (object.kind !== 'rule' || object.rule.table !== 'nat') return false;
  const { chain, target } = object.rule;
  return chain === 'DOCKER-INGRESS' || target === 'DOCKER-INGRESS' || (chain === 'POSTROUTING' && target === 'MASQUERADE');
}

/** Kernels without xt_u32 have the rules of encrypted networks with the VNI in a BPF program (§2.9). */
function isOtherwiseEncrypted({ table, chain, target, match }: DumpedRule, observed: NamespaceDump): boolean {
  const [, shifted] = /--u32 \S*=0x([0-9a-f]+)/.exec(match) ?? [];
  if (shifted === undefined) return false;
  const vni = Number.parseInt(shifted, 16) / 256;
  return observed.rules.some(
    (other) =>
      other.table === table &&
      other.chain === chain &&
      other.target === target &&
      other.match.includes('-m bpf') &&
      new RegExp(`\\b21 1 0 ${vni}\\b`).test(other.match),
  );
}
