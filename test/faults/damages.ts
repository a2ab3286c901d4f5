import type { Lab } from '@portolan/lab';
import { netnsOf } from '../netns.js';

/** Something that is done to what is ours in a kernel behind the agent's back. */
export interface Damage {
  readonly name: string;
  /** Namespace of the agent on the node; `host` is the host's own. */
  readonly space: string;
  readonly run: string;
  /** Prints what it changes; it is repaired when this prints what it printed before. */
  readonly reads: string;
}

/** `iptables`: the variant of the tool that the agents use, such as "xtables-legacy-multi iptables". */
export function damagesWith(iptables: string): readonly Damage[] {
  const saved = (table: string): string => `${iptables}-save -t ${table} | grep -v '^[#:]'`;
  return [
    { name: 'ipvsadm -C', space: 'lb_5mckih8b5', run: 'ipvsadm -C', reads: 'ipvsadm -S -n' },
    {
      name: 'a real server removed',
      space: 'ingress_sbox',
      run: 'ipvsadm -S -n | grep -m1 "^-a" | sed "s/^-a/-d/; s/ -m .*//" | xargs ipvsadm',
      reads: 'ipvsadm -S -n',
    },
    { name: 'iptables -F, marks', space: 'lb_5mckih8b5', run: `${iptables} -t mangle -F`, reads: saved('mangle') },
    { name: 'iptables -F, host', space: 'host', run: `${iptables} -t nat -F`, reads: saved('nat') },
    { name: 'iptables -F, source rewrite', space: 'ingress_sbox', run: `${iptables} -t nat -F`, reads: saved('nat') },
    {
      name: 'device deleted',
      space: '1-5mckih8b5z',
      run: 'ip link delete vxlan0',
      reads: 'ip -d link show vxlan0 | grep -o "vxlan id .*"; bridge fdb show dev vxlan0 | grep " dst "',
    },
    { name: 'bridge down', space: '1-5mckih8b5z', run: 'ip link set br0 down', reads: 'ip -br link show br0' },
    {
      name: 'forwarding entry removed',
      space: '1-5mckih8b5z',
      run: `bridge fdb show dev vxlan0 | awk '/ dst / { print "fdb del " $1 " dev vxlan0 dst " $3; exit }' | bridge -batch -`,
      reads: 'bridge fdb show dev vxlan0 | grep " dst "',
    },
    { name: 'neighbours flushed', space: '1-5mckih8b5z', run: 'ip neigh flush nud permanent', reads: 'ip neigh show nud permanent' },
    // One a line: an address that was made anew is the last.
    { name: 'VIP removed', space: 'ingress_sbox', run: 'ip address del 10.255.0.41/32 dev eth0', reads: "ip -4 -o address show eth0 | awk '{ print $4 }'" },
  ];
}

export interface Damaged {
  /** Whether the kernel is as it was. */
  isRepaired(): Promise<boolean>;
}

/** Does it on a node. An agent may have mended it before this resolves. Fails when it could not be done. */
export async function damaged(lab: Lab, node: string, { name, space, run, reads }: Damage): Promise<Damaged> {
  const netns = netnsOf(lab, node, space);
  const shell = async (command: string): Promise<string> => {
    const { stdout } = await lab.machineOf(node).run(['nsenter', `--net=${netns}`, '--', 'sh', '-c', command]);
    return stdout.split('\n').sort().join('\n');
  };
  const before = await shell(reads);
  const { exitCode, stderr } = await lab.machineOf(node).run(['nsenter', `--net=${netns}`, '--', 'sh', '-c', run]);
  if (exitCode !== 0) throw new Error(`${name} on ${node}: ${stderr}`);
  return { isRepaired: async () => (await shell(reads)) === before };
}
