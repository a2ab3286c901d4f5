import { isPodAddress, podLayout } from '@portolan/flannel';
import { type Finding, type WarningCode, warn } from './finding.js';
import { cutList, type FlannelView } from './flannel-view.js';
import { addressValue } from './view.js';

/** Rules about the addresses of endpoints in the flannel network, where their nodes have subnets. */
export function* podFindings({ snapshot, flannel, own, subject }: FlannelView): Iterable<Finding> {
  const found: Record<'without' | 'outside' | 'inCniRange', string[]> = { without: [], outside: [], inCniRange: [] };
  for (const endpoint of snapshot.endpoints.values()) {
    const lease = endpoint.flannel === null ? undefined : own.get(endpoint.nodeId);
    const address = endpoint.flannel?.address;
    if (lease === undefined || address === undefined) continue;
    const { subnet, text } = lease;
    const layout = podLayout(subnet, flannel.cni);
    if (address === null) found.without.push(`"${endpoint.name}" in ${text}`);
    else if (!isPodAddress(layout, addressValue(address))) found.outside.push(`"${endpoint.name}" has ${address}, its node ${text}`);
    else if (addressValue(address) < layout.given) found.inCniRange.push(`"${endpoint.name}" has ${address}`);
  }
  const rule = (code: WarningCode, names: readonly string[], what: string): readonly Finding[] =>
    names.length === 0 ? [] : [warn(code, subject, '', `${what}: ${cutList(names)}`)];
  yield* rule('flannel-pod-without-address', found.without, 'no address is left for endpoints');
  yield* rule('flannel-pod-outside', found.outside, 'endpoints have addresses that their nodes cannot give them, and nothing is sent to them');
  yield* rule('flannel-pod-in-cni-range', found.inCniRange, 'endpoints have addresses that CNI gives to containers');
}
