import type { LabMachine } from '@portolan/harness';

export interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly address?: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Readonly<Record<string, unknown>> };
}

/** What the kernel of a host has, in the words of ip and bridge. */
export interface HostKernel {
  /** IPv4 routes of the main table, one a line, without trailing blanks. */
  routes(): Promise<readonly string[]>;
  /** undefined when there is no such link. */
  link(name: string): Promise<Link | undefined>;
  /** Forwarding entries of a link. */
  fdb(link: string): Promise<readonly string[]>;
  /** Permanent neighbours of a link. */
  neighbours(link: string): Promise<readonly string[]>;
  /** Addresses of a link with their lengths. */
  addresses(link: string): Promise<readonly string[]>;
  rules(table: 'nat' | 'filter'): Promise<readonly string[]>;
  /** Runs ip in the host; fails with what it says. */
  ip(...argv: string[]): Promise<string>;
  run(...argv: string[]): Promise<string>;
}

function lines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
}

export function hostKernel(machine: LabMachine, netns: string): HostKernel {
  const raw = (argv: readonly string[]) => machine.run(['nsenter', `--net=${netns}`, '--', ...argv]);
  async function run(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await raw(argv);
    if (exitCode !== 0) throw new Error(`${argv.join(' ')} in ${netns}: ${stderr}`);
    return stdout;
  }
  return {
    routes: async () => lines(await run('ip', '-4', 'route', 'show')),
    async link(name) {
      const { exitCode, stdout } = await raw(['ip', '-d', '-j', 'link', 'show', 'dev', name]);
      return exitCode === 0 ? (JSON.parse(stdout) as readonly Link[])[0] : undefined;
    },
    fdb: async (link) => lines((await raw(['bridge', 'fdb', 'show', 'dev', link])).stdout),
    neighbours: async (link) => lines((await raw(['ip', 'neigh', 'show', 'dev', link, 'nud', 'permanent'])).stdout),
    async addresses(link) {
      const { exitCode, stdout } = await raw(['ip', '-4', '-j', 'addr', 'show', 'dev', link]);
      if (exitCode !== 0) return [];
      const [shown] = JSON.parse(stdout) as readonly { readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[] }[];
      return (shown?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    },
    rules: async (table) => lines(await run('iptables-save', '-t', table)),
    ip: (...argv) => run('ip', ...argv),
    run,
  };
}

/** A network behind a router: a host in it shares no link with the lab's hosts. */
export interface FarHost {
  readonly address: string;
  readonly netns: string;
  remove(): Promise<void>;
}

/**
 * Makes a router on the bridge of the lab, a host behind it, and the routes between that and the hosts of the lab. The names of the namespaces
 * start as those of the lab do, so a lab that is taken down takes them along.
 */
export async function farHost(machine: LabMachine, hosts: readonly HostKernel[], routerAddress: string, address: string): Promise<FarHost> {
  const { bridge, prefixLength } = machine.underlay;
  const gateway = address.replace(/\d+$/, '1');
  const network = `${address.replace(/\d+$/, '0')}/24`;
  const near = machine.underlay.gateway.replace(/\d+$/, '0');
  const [router, far] = ['plab-router', 'plab-far'];
  const batch = async (lines_: readonly string[], space?: string): Promise<void> => {
    const { exitCode, stderr } = await machine.run(['ip', ...(space === undefined ? [] : ['-n', space]), '-batch', '-'], `${lines_.join('\n')}\n`);
    if (exitCode !== 0) throw new Error(`the network behind a router cannot be made: ${stderr}`);
  };
  await batch([
    `netns add ${router}`,
    `netns add ${far}`,
    `link add plab-r type veth peer name eth0 netns ${router}`,
    `link set plab-r master ${bridge} up`,
    `link add eth1 netns ${router} type veth peer name eth1 netns ${far}`,
  ]);
  await batch(
    ['link set lo up', `addr add ${routerAddress}/${prefixLength} dev eth0`, 'link set eth0 up', `addr add ${gateway}/24 dev eth1`, 'link set eth1 up'],
    router,
  );
  await machine.run(['ip', 'netns', 'exec', router, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
  await batch(['link set lo up', `addr add ${address}/24 dev eth1`, 'link set eth1 up', `route add ${near}/${prefixLength} via ${gateway}`], far);
  for (const host of hosts) await host.ip('route', 'add', network, 'via', routerAddress);
  return {
    address,
    netns: `/run/netns/${far}`,
    async remove() {
      for (const host of hosts) await host.ip('route', 'delete', network);
      for (const space of [router, far]) await machine.run(['ip', 'netns', 'delete', space]);
    },
  };
}
