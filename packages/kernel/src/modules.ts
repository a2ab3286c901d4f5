/** Of IPVS. */
export const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;

/** Modules that must be there before the first namespace is made: sysctls of net.ipv4.vs appear in later namespaces only. */
export function modulesOf(balances: boolean): readonly string[] {
  const balancing = ['ip_vs', ...SCHEDULERS.map((scheduler) => `ip_vs_${scheduler}`), 'xt_ipvs'];
  return [...(balances ? balancing : []), 'vxlan', 'veth', 'bridge', 'nf_conntrack', 'nf_conntrack_netlink'];
}
